package import JSON
import KubeClient

/// Other writers can write a condition too; one that lacks a field cannot be read.
extension Condition: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        var type, status, lastTransitionTime, reason, message: String?
        var observedGeneration: Int64?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "type": type = try json.read()
            case "status": status = try json.read()
            case "observedGeneration": observedGeneration = try json.readOptional()
            case "lastTransitionTime": lastTransitionTime = try json.read()
            case "reason": reason = try json.read()
            case "message": message = try json.read()
            default: break
            }
        }
        self.type = try json.require(type, "type")
        self.status = try json.require(status, "status")
        self.observedGeneration = observedGeneration
        self.lastTransitionTime = try json.require(lastTransitionTime, "lastTransitionTime")
        self.reason = try json.require(reason, "reason")
        self.message = try json.require(message, "message")
    }
}

extension [Condition] {
    /// Writes the member `conditions`.
    func write(to json: inout JSONSecretWriter) {
        json.key("conditions")
        json.beginArray()
        for condition in self {
            json.beginObject()
            json.member("type", condition.type)
            json.member("status", condition.status)
            json.optionalMember("observedGeneration", condition.observedGeneration)
            json.member("lastTransitionTime", condition.lastTransitionTime)
            json.member("reason", condition.reason)
            json.member("message", condition.message)
            json.endObject()
        }
        json.endArray()
    }
}
