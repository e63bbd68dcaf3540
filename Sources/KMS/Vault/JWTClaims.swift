import Cryptography
import FoundationEssentials
import JSON
import System

/// The claims of a JWT (RFC 7519), for messages. The signature is not verified.
struct JWTClaims: Sendable {
    let issuer: String?
    let subject: String?
    let audiences: [String]
    let expiration: Date?

    /// Returns nil if `token` is not a JWT with readable claims.
    init?(_ token: SharedSecret) {
        let parts = token.bytes.split(separator: UInt8(ascii: "."))
        guard parts.count == 3, let claims = Self.decode(parts[1]),
            let document = try? JSONValue(parsing: claims), document.members != nil
        else { return nil }
        issuer = document["iss"]?.string
        subject = document["sub"]?.string
        let audience = document["aud"]
        audiences = audience?.elements.map { $0.compactMap(\.string) } ?? audience?.string.map { [$0] } ?? []
        expiration = document["exp"]?.double.map { Date(timeIntervalSince1970: $0) }
    }

    /// Decodes base64url without padding (RFC 4648, section 5).
    private static func decode(_ text: SharedSecret) -> SecretBytes? {
        let padding = (4 - text.count % 4) % 4
        let standard = SecretBytes(count: text.count + padding) { target in
            text.bytes.withUnsafeBytes { source in
                for index in target.indices {
                    guard index < source.count else {
                        target[index] = UInt8(ascii: "=")
                        continue
                    }
                    switch source[index] {
                    case UInt8(ascii: "-"): target[index] = UInt8(ascii: "+")
                    case UInt8(ascii: "_"): target[index] = UInt8(ascii: "/")
                    case let byte: target[index] = byte
                    }
                }
            }
        }
        return standard.withUnsafeBytes { try? Base64.decodeSecret($0) }
    }
}
