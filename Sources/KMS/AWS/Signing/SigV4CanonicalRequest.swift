import Cryptography
import HTTP

/// A header of a signed request. Its value is in secret memory, as it may be the session token.
struct SigV4Header: Sendable {
    /// The name in lower case.
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

/// The canonical request: the form in which client and server hash a request.
///
/// Source: AWS IAM User Guide, "Create a signed AWS API request", step 1.
struct SigV4CanonicalRequest: Sendable {
    /// The text may contain the session token; only its hash is sent.
    let text: SharedSecret
    /// The names of the signed headers, joined by ";".
    let signedHeaders: String

    /// - Parameters:
    ///   - path: The path as it is sent, percent-encoded once.
    ///   - query: The query as it is sent, without "?".
    ///   - headers: All headers, including `host`. Those that proxies may change are not signed.
    ///   - payloadHash: The SHA-256 of the body in hexadecimal.
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

    /// Appends a value without white space at its ends, and with one space for each run of it.
    private static func append(_ value: UnsafeRawBufferPointer, to text: inout SecretBuffer) {
        for (index, word) in value.split(whereSeparator: isSpace).enumerated() {
            if index > 0 { text.append(UInt8(ascii: " ")) }
            text.append(UnsafeRawBufferPointer(rebasing: word))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// The headers that the SDKs do not sign, as proxies and tracing change them.
    private static let unsigned: Set<String> = [
        "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate",
        "proxy-authorization", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade",
        "user-agent", "x-amzn-trace-id",
    ]
}

/// The canonical path and query of a request, for every service except S3, which does not normalize paths.
enum SigV4URI {
    /// Removes dot segments and empty segments, and percent-encodes the rest. Sequences that are already encoded are encoded
    /// twice, as services other than S3 expect.
    static func path(_ path: some StringProtocol) -> String {
        var kept: [Substring.UTF8View] = []
        let bytes = Substring(path).utf8
        for segment in bytes.split(separator: slash) where !segment.elementsEqual(".".utf8) {
            if segment.elementsEqual("..".utf8) {
                _ = kept.popLast()
            } else {
                kept.append(segment)
            }
        }
        guard !kept.isEmpty else { return "/" }
        let joined = kept.map { percentEncoded($0) }.joined(separator: "/")
        return "/" + joined + (bytes.last == slash ? "/" : "")
    }

    /// Normalizes the encoding of names and values, and sorts them by the bytes of the encoded name and then of the value. A
    /// name without "=" gets one.
    static func query(_ query: some StringProtocol) -> String {
        guard !query.isEmpty else { return "" }
        let bytes = Substring(query).utf8
        let pairs = bytes.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map { pair in
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            let value = pair.dropFirst(name.count).dropFirst()
            return (name: percentEncoded(decode(name)), value: percentEncoded(decode(value)))
        }
        return pairs.sorted { left, right in
            left.name == right.name
                ? left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
                : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// Decodes %XX. A "%" without two digits is literal, and so is "+", which is a space in forms only.
    private static func decode(_ bytes: Substring.UTF8View.SubSequence) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
            if byte == UInt8(ascii: "%"), digits.count == 2 {
                decoded.append(UInt8(digits[0] << 4 | digits[1]))
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }

    private static let slash = UInt8(ascii: "/")
}
