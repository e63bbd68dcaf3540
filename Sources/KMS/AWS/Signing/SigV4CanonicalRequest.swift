import Cryptography

/// One header as it goes into a signature. Values are bytes: the session token among them must not become text.
struct SigV4Header: Sendable {
    /// In lower case.
    let name: String
    let value: SharedSecret

    init(_ name: String, _ value: SharedSecret) {
        self.name = name.lowercased()
        self.value = value
    }

    init(_ name: String, _ value: String) {
        self.init(name, SharedSecret(copying: value.utf8))
    }
}

/// The one spelling of a request that both sides compute, whatever happened to it on the way.
struct SigV4CanonicalRequest: Sendable {
    /// Holds the session token where there is one; only its hash leaves.
    let text: SharedSecret
    /// Names joined by ";".
    let signedHeaders: String

    /// - Parameters:
    ///   - path: As it is sent, percent-encoded once.
    ///   - query: As it is sent, without "?".
    ///   - headers: All of them, `host` included. Those that proxies may change are left unsigned.
    ///   - payloadHash: SHA-256 of the body's bytes, in hexadecimal.
    init(
        method: String, path: some StringProtocol, query: some StringProtocol, headers: [SigV4Header],
        payloadHash: String
    ) {
        var values: [String: [SharedSecret]] = [:]
        for header in headers where !Self.unsigned.contains(header.name) {
            values[header.name, default: []].append(header.value)
        }
        let names = values.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        signedHeaders = names.joined(separator: ";")

        var text = SecretBuffer(capacity: 2048)
        text.append(Array("\(method)\n\(SigV4URI.path(path))\n\(SigV4URI.query(query))\n".utf8))
        for name in names {
            text.append(Array("\(name):".utf8))
            for (index, value) in (values[name] ?? []).enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                value.bytes.withUnsafeBytes { Self.append($0, to: &text) }
            }
            text.append(UInt8(ascii: "\n"))
        }
        text.append(Array("\n\(signedHeaders)\n\(payloadHash)".utf8))
        self.text = SharedSecret(text.finish())
    }

    /// A value without space at its ends, and with one space for each run of it.
    private static func append(_ value: UnsafeRawBufferPointer, to text: inout SecretBuffer) {
        for (index, word) in value.split(whereSeparator: isSpace).enumerated() {
            if index > 0 { text.append(UInt8(ascii: " ")) }
            text.append(UnsafeRawBufferPointer(rebasing: word))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// What the SDKs leave unsigned: hops and tracing change it on the way.
    private static let unsigned: Set<String> = [
        "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate",
        "proxy-authorization", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade",
        "user-agent", "x-amzn-trace-id",
    ]
}
