import Cryptography
package import Envelope
package import Settings

/// Creates the key managers of ClusterKeyProviders and KeyProviders.
package struct KeyProviderFactory: KeyManagerFactory {
    private let context: KMSBackendContext

    /// - Parameters:
    ///   - environment: The settings and credentials of this process. A provider without an identity of its own uses the
    ///     credentials, and none of the settings.
    ///   - backlog: The number of unwraps that will follow.
    package init(
        from environment: Environment, for mode: ProgramMode, backlog: UnwrapBacklog = UnwrapBacklog()
    ) {
        context = KMSBackendContext(
            environment: environment, mode: mode, backlog: backlog, transports: SharedTransports())
    }

    package func keyManager(
        for settings: KeyProviderSettings, identity: (any IdentityTokenSource)?,
        observer: (any KeyManagerObserver)? = nil
    ) throws(KeyProviderSettingsError) -> any KeyManager {
        guard let backend = KMSBackends.named(settings.backend), !backend.providerFields.isEmpty else {
            throw KeyProviderSettingsError("a provider of the backend \(settings.backend) is not supported")
        }
        var context = context
        context.identity = identity
        context.observer = observer
        var variables: [String: String] = [:]
        for (field, value) in settings.values {
            guard let variable = backend.providerFields[field] else {
                throw KeyProviderSettingsError("the backend \(settings.backend) has no field \(field)")
            }
            variables[variable] = value
        }
        let names = ProviderFieldNames(backend.providerFields)
        let provider = ProviderEnvironment(settings: Environment(variables))
        if context.usesCredentialsOfUser {
            try backend.checkServers(of: provider, for: context.environment)
        }
        do throws(SettingError) {
            let manager = try backend.keyManager(provider, context)
            return ProviderKeyManager(base: manager, names: names)
        } catch {
            throw KeyProviderSettingsError(names.translated(error.description))
        }
    }
}

/// Names the fields of a provider in messages of a backend, which are written for variables.
struct ProviderFieldNames: Sendable {
    /// The longest first, as names can begin with others.
    private let replacements: [(variable: String, field: String)]

    /// - Parameter fields: Maps fields to variables.
    init(_ fields: [String: String]) {
        replacements = fields.map { (variable: $0.value, field: $0.key) }
            .sorted { ($1.variable.utf8.count, $0.variable) < ($0.variable.utf8.count, $1.variable) }
    }

    func translated(_ message: String) -> String {
        var message = message
        for (variable, field) in replacements {
            message.replace(variable, with: "the provider's field \(field)")
        }
        return message
    }
}

/// The key manager of a provider. Its errors name the provider's fields.
struct ProviderKeyManager: KeyManager {
    let base: any KeyManager
    let names: ProviderFieldNames

    var keyID: String { base.keyID }

    func accepts(keyID: String) -> Bool { base.accepts(keyID: keyID) }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await translatingErrors { () throws(KeyManagerError) in
            try await base.generateDataKey(for: binding)
        }
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await translatingErrors { () throws(KeyManagerError) in
            try await base.wrap(dataKey, for: binding)
        }
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try await translatingErrors { () throws(KeyManagerError) in
            try await base.unwrap(recipient, for: binding)
        }
    }

    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await translatingErrors { () throws(KeyManagerError) in
            try await base.rewrap(recipient, for: binding)
        }
    }

    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        await base.rewrap(recipients).map { $0.mapError(translated) }
    }

    private func translatingErrors<Value>(
        _ body: () async throws(KeyManagerError) -> Value
    ) async throws(KeyManagerError) -> Value {
        do {
            return try await body()
        } catch {
            throw translated(error)
        }
    }

    private func translated(_ error: KeyManagerError) -> KeyManagerError {
        KeyManagerError(
            error.code, keyID: error.keyID, message: names.translated(error.message),
            retryAfter: error.retryAfter)
    }
}

extension ProviderKeyManager: PublicKeyExporting, DiagnosableKeyManager, MaintainedKeyManager {
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey {
        try await translatingErrors { () throws(KeyManagerError) in try await base.publicKey() }
    }

    func resolveKeyID() async throws(KeyManagerError) {
        guard let base = base as? any DiagnosableKeyManager else { return }
        try await translatingErrors { () throws(KeyManagerError) in try await base.resolveKeyID() }
    }

    func selfTest() async -> SelfTestResult {
        switch await base.diagnose() {
        case .passed: .passed
        case .unwrapsOnly(let limit): .unwrapsOnly(names.translated(limit))
        case .wrapsOnly(let error): .wrapsOnly(translated(error))
        case .failed(let error): .failed(translated(error))
        }
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        guard let base = base as? any MaintainedKeyManager else { return }
        await base.maintain(onRecovery: onRecovery)
    }
}
