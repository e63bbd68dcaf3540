import Cryptography
import JSON

/// A JSON Web Token (RFC 7519) that a private key signs, with which a process authenticates to a token endpoint (RFC 7523).
struct JWTAssertion: Sendable {
    enum Algorithm: String {
        /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
        case rs256 = "RS256"
        /// RSASSA-PSS with SHA-256 (RFC 7518, section 3.5).
        case ps256 = "PS256"
    }

    /// The header fields besides `alg` and `typ`, such as `kid`. Scalars only.
    var header: [(key: String, value: JSONValue)] = []
    /// Scalars only.
    var claims: [(key: String, value: JSONValue)]

    /// Returns the compact serialization.
    func signed(
        with key: RSAPrivateKey, _ algorithm: Algorithm = .rs256
    ) throws(CryptoError) -> SharedSecret {
        var token = SecretBuffer(capacity: 1024)
        Self.append([("alg", .string(algorithm.rawValue)), ("typ", "JWT")] + header, to: &token)
        token.append(".")
        Self.append(claims, to: &token)
        let signature = try token.withUnsafeBytes { bytes throws(CryptoError) in
            switch algorithm {
            case .rs256: try key.signPKCS1SHA256(bytes)
            case .ps256: try key.signPSSSHA256(bytes)
            }
        }
        token.append(".")
        signature.withUnsafeBytes { token.appendBase64URL($0) }
        return SharedSecret(token.finish())
    }

    /// Appends the base64url of a JSON object without white space.
    private static func append(
        _ members: [(key: String, value: JSONValue)], to token: inout SecretBuffer
    ) {
        var json = SecretBuffer(capacity: 512)
        for (index, member) in members.enumerated() {
            json.append(index == 0 ? "{" : ",")
            JSONWriter.appendScalar(.string(member.key), to: &json)
            json.append(":")
            JSONWriter.appendScalar(member.value, to: &json)
        }
        json.append(members.isEmpty ? "{}" : "}")
        json.withUnsafeBytes { token.appendBase64URL($0) }
    }
}
