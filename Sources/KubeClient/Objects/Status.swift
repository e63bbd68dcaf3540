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
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "kind": kind = try json.readIfValid()
            case "status": status = try json.readIfValid()
            case "message": message = try json.readIfValid()
            case "reason": reason = try json.readIfValid()
            case "details": details = try json.readIfValid()
            case "code": code = try json.readIfValid()
            default: break
            }
        }
    }
}

extension Status.Details: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readIfValid()
            case "kind": kind = try json.readIfValid()
            case "causes": causes = try json.readIfValid()
            case "retryAfterSeconds": retryAfterSeconds = try json.readIfValid()
            default: break
            }
        }
    }
}

extension Status.Cause: JSONReadable {
    package init(json: inout JSONReader) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "reason": reason = try json.readIfValid()
            case "message": message = try json.readIfValid()
            case "field": field = try json.readIfValid()
            default: break
            }
        }
    }
}
