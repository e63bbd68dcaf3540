package import JSON

/// The API server's answer to what it did not do (`kind: Status`).
package struct Status: Sendable, Equatable {
    package struct Details: Sendable, Equatable {
        package var name: String?
        package var kind: String?
        package var causes: [Cause]?
        package var retryAfterSeconds: Int?
    }

    package struct Cause: Sendable, Equatable {
        package var reason: String?
        package var message: String?
        package var field: String?
    }

    package var kind: String?
    package var status: String?
    package var message: String?
    package var reason: String?
    package var details: Details?
    package var code: Int?
}

/// A field of another shape is left out: an answer that says little is better than none.
extension Status: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.object { key, json throws(JSONError) in
            switch key {
            case "kind": kind = try json.readable()
            case "status": status = try json.readable()
            case "message": message = try json.readable()
            case "reason": reason = try json.readable()
            case "details": details = try json.readable()
            case "code": code = try json.readable()
            default: break
            }
        }
    }
}

extension Status.Details: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.object { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readable()
            case "kind": kind = try json.readable()
            case "causes": causes = try json.readable()
            case "retryAfterSeconds": retryAfterSeconds = try json.readable()
            default: break
            }
        }
    }
}

extension Status.Cause: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.object { key, json throws(JSONError) in
            switch key {
            case "reason": reason = try json.readable()
            case "message": message = try json.readable()
            case "field": field = try json.readable()
            default: break
            }
        }
    }
}
