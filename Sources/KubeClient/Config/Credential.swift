package import Cryptography

/// What a request proves who we are with, at one moment.
package struct Credential: Sendable {
    /// The whole value of the `Authorization` header; nil: none.
    package let authorization: SharedSecret?
    /// For TLS; nil: none, or the fixed one of the configuration.
    package let clientCertificate: ClusterConfiguration.ClientCertificate?
    /// Grows each time the source has something new, so that a late 401 for an old credential does not throw
    /// away its successor, and a caller sees whether a retry makes sense.
    package let generation: UInt64

    package init(
        authorization: SharedSecret?, clientCertificate: ClusterConfiguration.ClientCertificate? = nil,
        generation: UInt64 = 0
    ) {
        self.authorization = authorization
        self.clientCertificate = clientCertificate
        self.generation = generation
    }
}

/// Where credentials come from. Safe to use from many tasks.
package protocol CredentialSource: Sendable {
    /// The present credential; cheap when it is at hand.
    func credential() async throws(ConfigurationError) -> Credential

    /// To be called when the server answered 401 to `used`. The next `credential()` looks for a newer one; if
    /// its generation is the same, there is none.
    func invalidate(_ used: Credential) async
}
