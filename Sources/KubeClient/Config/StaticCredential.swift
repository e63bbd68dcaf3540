import Cryptography

/// A credential that never changes: nothing, a token, a user name with password.
package struct StaticCredential: CredentialSource {
    private let value: Credential

    package static let none = StaticCredential(value: Credential(authorization: nil))

    private init(value: Credential) { self.value = value }

    init(authorization: SharedSecret) {
        value = Credential(authorization: authorization)
    }

    package func credential() async throws(ConfigurationError) -> Credential { value }

    package func invalidate(_ used: Credential) async {}
}
