package import Cryptography

/// The credential of a request at one moment.
package struct Credential: Sendable {
    /// The whole value of the `Authorization` header.
    package let authorization: SharedSecret?
    /// A certificate for TLS, which takes precedence over the configuration's.
    package var clientCertificate: ClusterConfiguration.ClientCertificate?
    /// Grows each time the source has a new credential. A late 401 for an old credential thus does not discard its
    /// successor, and a caller sees whether a retry makes sense.
    package var generation: UInt64 = 0
}

/// Supplies credentials. Safe to use from many tasks.
package protocol CredentialSource: Sendable {
    /// Returns the current credential. Cheap unless a new one has to be obtained.
    func credential() async throws(ConfigurationError) -> Credential

    /// Records that the server answered 401 to `used`. The next `credential()` looks for a newer one; if the generation
    /// has not changed, there is none.
    func invalidate(_ used: Credential) async
}

/// A credential that never changes: none, a token, or a user name with a password.
package struct StaticCredential: CredentialSource {
    private let value: Credential

    package static let none = StaticCredential(authorization: nil)

    init(authorization: SharedSecret?) {
        value = Credential(authorization: authorization)
    }

    package func credential() async throws(ConfigurationError) -> Credential { value }

    package func invalidate(_ used: Credential) async {}
}

/// Builds values of the `Authorization` header without leaving copies of the secret.
enum AuthorizationHeader {
    /// Builds a bearer token header (RFC 6750). White space around the token, and a byte-order mark before it, as editors
    /// write it into files, are removed.
    ///
    /// - Returns: nil if the token is empty or not visible ASCII, which could inject a header.
    static func bearer(_ token: borrowing SecretBytes) -> SharedSecret? {
        token.withUnsafeBytes { file in
            let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
            let bytes = file.dropFirst(file.starts(with: mark) ? mark.count : 0)
            let start = bytes.firstIndex { !isSpace($0) } ?? bytes.endIndex
            let end = bytes.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? bytes.endIndex
            let trimmed = UnsafeRawBufferPointer(rebasing: bytes[start..<max(start, end)])
            guard !trimmed.isEmpty, trimmed.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            var value = SecretBuffer(capacity: trimmed.count + 7)
            value.append("Bearer ")
            value.append(trimmed)
            return SharedSecret(value.finish())
        }
    }

    /// Builds a basic authentication header (RFC 7617).
    ///
    /// - Parameter user: must not contain a colon.
    static func basic(user: String, password: borrowing SecretBytes) -> SharedSecret {
        var pair = SecretBuffer(capacity: user.utf8.count + 1 + password.count)
        pair.append(Array(user.utf8))
        pair.append(UInt8(ascii: ":"))
        pair.append(password)
        var value = SecretBuffer()
        value.append("Basic ")
        pair.withUnsafeBytes { value.appendBase64($0) }
        return SharedSecret(value.finish())
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
}
