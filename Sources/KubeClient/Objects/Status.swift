package import JSON

/// The API server's description of a failed request (`kind: Status`).
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

    /// The part of the message that names the admission webhook or policy which denied the request, or nil if none did.
    /// The reason that follows it is omitted, as it may quote the request.
    package var admissionDenial: String? { part(Self.denialPatterns) }

    /// Keeps only what cannot quote the request: the name of a webhook that denied it or failed, or the whole message if it
    /// comes from etcd, which stores the object encoded.
    mutating func removeQuotations() {
        let isFromStorage = message?.hasPrefix("etcdserver: ") ?? false
        message = isFromStorage ? message : part(Self.denialPatterns + Self.failurePatterns)
        for index in details?.causes?.indices ?? 0..<0 { details?.causes?[index].message = nil }
    }

    private func part(_ patterns: [(start: String, end: String)]) -> String? {
        guard let message else { return nil }
        for (start, end) in patterns {
            guard let from = message.firstRange(of: start),
                let to = message[from.upperBound...].firstRange(of: end)?.upperBound
            else { continue }
            return String(message[from.lowerBound..<to].prefix(512))
        }
        return nil
    }

    /// The beginning of the API server's message, which the object's name may precede, and the words before the reason.
    private static let denialPatterns: [(start: String, end: String)] = [
        ("admission webhook \"", "denied the request"), ("ValidatingAdmissionPolicy '", "denied request"),
    ]
    private static let failurePatterns: [(start: String, end: String)] = [("failed calling webhook \"", "\"")]
}

/// Fields of the wrong type are skipped: an incomplete status is better than none.
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
