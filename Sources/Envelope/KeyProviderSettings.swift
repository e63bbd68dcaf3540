/// The settings of one key of a KMS, as a ClusterKeyProvider and perhaps a KeyProvider give them, by field name.
package struct KeyProviderSettings: Hashable, Sendable {
    /// The backend, as key ids name it: `vault-transit`.
    package let backend: String
    /// The values by the names of the fields of the backend: `address`, `key`, `role`.
    package var values: [String: String]

    package init(backend: String, values: [String: String]) {
        self.backend = backend
        self.values = values
    }
}

/// A field of a provider is missing or wrong. The text names the field, the problem and the remedy.
package struct KeyProviderSettingsError: Error, Equatable, Sendable {
    package let message: String

    package init(_ message: String) {
        self.message = message
    }
}

/// Creates the key managers of providers. Implemented by the module of the backends, so that a controller knows none of them.
package protocol KeyManagerFactory: Sendable {
    /// Creates the key manager of a provider. Sends no request.
    ///
    /// - Parameters:
    ///   - identity: The identity that logs in to the KMS, or nil for that of this process.
    ///   - observer: Gets the requests to the KMS.
    func keyManager(
        for settings: KeyProviderSettings, identity: (any IdentityTokenSource)?,
        observer: (any KeyManagerObserver)?
    ) throws(KeyProviderSettingsError) -> any KeyManager
}
