import Cryptography
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

    /// Returns what cannot quote the request: the name of a webhook that denied it or failed, or the whole message if it comes
    /// from etcd, which stores the object encoded.
    private static func withoutQuotations(_ message: UnsafeRawBufferPointer) -> String? {
        guard !message.starts(with: "etcdserver: ".utf8) else {
            return String(decoding: message, as: UTF8.self)
        }
        return part(denialPatterns + failurePatterns, of: message)
    }

    private func part(_ patterns: [(start: String, end: String)]) -> String? {
        message.flatMap { Self.part(patterns, of: $0.utf8) }
    }

    private static func part(
        _ patterns: [(start: String, end: String)], of message: some Collection<UInt8>
    ) -> String? {
        for (start, end) in patterns {
            guard let from = message.firstRange(of: start.utf8),
                let to = message[from.upperBound...].firstRange(of: end.utf8)?.upperBound
            else { continue }
            return String(decoding: message[from.lowerBound..<to].prefix(512), as: UTF8.self)
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
        var text = SecretText?.none
        try self.init(json: &json, secretMessage: &text, readsMessages: true)
    }

    /// - Parameters:
    ///   - secretMessage: Gets the message if `readsMessages` is false.
    ///   - readsMessages: False to leave out the messages of the status and its causes.
    fileprivate init(
        json: inout JSONReader, secretMessage: inout SecretText?, readsMessages: Bool
    ) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "kind": kind = try json.readIfValid()
            case "status": status = try json.readIfValid()
            case "message" where readsMessages: message = try json.readIfValid()
            case "message":
                secretMessage = try json.attempt { json throws(JSONError) in try json.readSecret() }
            case "reason": reason = try json.readIfValid()
            case "details":
                details = try json.attempt { json throws(JSONError) in
                    try Details(json: &json, readsMessages: readsMessages)
                }
            case "code": code = try json.readIfValid()
            default: break
            }
        }
    }
}

extension Status.Details {
    fileprivate init(json: inout JSONReader, readsMessages: Bool) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readIfValid()
            case "kind": kind = try json.readIfValid()
            case "causes":
                causes = try json.attempt { json throws(JSONError) in
                    var causes: [Status.Cause] = []
                    try json.readArray { json throws(JSONError) in
                        causes.append(try Status.Cause(json: &json, readsMessages: readsMessages))
                    }
                    return causes
                }
            case "retryAfterSeconds": retryAfterSeconds = try json.readIfValid()
            default: break
            }
        }
    }
}

extension Status.Cause {
    fileprivate init(json: inout JSONReader, readsMessages: Bool) throws(JSONError) {
        self.init()
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "reason": reason = try json.readIfValid()
            case "message" where readsMessages: message = try json.readIfValid()
            case "field": field = try json.readIfValid()
            default: break
            }
        }
    }
}

/// The status in a response to a secret body, which the messages may quote. The message is in secret memory.
private struct QuotingStatus: JSONReadable {
    var status: Status
    let message: SecretText?

    init(json: inout JSONReader) throws(JSONError) {
        var message: SecretText?
        status = try Status(json: &json, secretMessage: &message, readsMessages: false)
        self.message = message
    }
}

extension Status {
    /// Reads the status in a response to a secret body. Only a part that cannot quote the body leaves secret memory.
    ///
    /// - Parameter mayQuote: True if any message may quote the body. Otherwise, only the reason of a denial may.
    package init?(inResponseToSecret bytes: UnsafeRawBufferPointer, mayQuote: Bool) {
        guard let quoting = try? JSONReader.read(QuotingStatus.self, from: bytes) else { return nil }
        let safe = quoting.message.flatMap { text in
            text.bytes.bytes.withUnsafeBytes { message in
                mayQuote ? Self.withoutQuotations(message) : Self.part(Self.denialPatterns, of: message)
            }
        }
        guard mayQuote || safe != nil else {
            guard let status = try? JSONReader.read(Status.self, from: bytes) else { return nil }
            self = status
            return
        }
        self = quoting.status
        message = safe
    }
}
