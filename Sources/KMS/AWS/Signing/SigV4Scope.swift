import Cryptography
import FoundationEssentials
import Glibc

/// When, where and for which service a signature holds; what the signing key is derived for.
struct SigV4Scope: Sendable, Equatable {
    /// `20150830T123600Z`
    let timestamp: String
    let region: String
    let service: String

    static let algorithm = "AWS4-HMAC-SHA256"

    init(date: Date, region: String, service: String) {
        timestamp = Self.timestamp(date)
        self.region = region
        self.service = service
    }

    var day: String { String(timestamp.prefix(8)) }
    /// `20150830/us-east-1/kms/aws4_request`
    var text: String { "\(day)/\(region)/\(service)/aws4_request" }

    func stringToSign(_ request: SigV4CanonicalRequest) throws(CryptoError) -> String {
        let hash = try request.text.bytes.withUnsafeBytes { bytes throws(CryptoError) in try sha256(bytes) }
        return "\(Self.algorithm)\n\(timestamp)\n\(text)\n\(hex(hash))"
    }

    /// In hexadecimal.
    func signature(
        of stringToSign: String, secretAccessKey: SharedSecret
    ) throws(CryptoError) -> String {
        let key = try signingKey(secretAccessKey)
        return try hmacSHA256(Array(stringToSign.utf8), key: key).withUnsafeBytes { hex($0) }
    }

    /// Serves this day, Region and service alone.
    private func signingKey(_ secretAccessKey: SharedSecret) throws(CryptoError) -> SecretBytes {
        var first = SecretBuffer()
        first.append("AWS4")
        first.append(secretAccessKey.bytes)
        var key = first.finish()
        for part in [day, region, service, "aws4_request"] {
            key = try hmacSHA256(Array(part.utf8), key: key)
        }
        return key
    }

    /// UTC. A date outside the years 0 to 9999 is no date that anybody accepts a signature of.
    private static func timestamp(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int32, _ width: Int) -> String {
            let text = "\(value)"
            return String(repeating: "0", count: max(width - text.count, 0)) + text
        }
        let day = digits(parts.tm_year + 1900, 4) + digits(parts.tm_mon + 1, 2) + digits(parts.tm_mday, 2)
        return "\(day)T\(digits(parts.tm_hour, 2))\(digits(parts.tm_min, 2))\(digits(parts.tm_sec, 2))Z"
    }
}
