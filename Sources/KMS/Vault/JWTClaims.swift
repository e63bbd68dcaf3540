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
        guard parts.count == 3,
            let claims = parts[1].bytes.withUnsafeBytes({ try? Base64URL.decodeSecret($0) }),
            let document = try? JSONValue(parsing: claims), document.members != nil
        else { return nil }
        issuer = document["iss"]?.string
        subject = document["sub"]?.string
        let audience = document["aud"]
        audiences = audience?.elements.map { $0.compactMap(\.string) } ?? audience?.string.map { [$0] } ?? []
        expiration = document["exp"]?.double.map { Date(timeIntervalSince1970: $0) }
    }
}
