import Envelope
import Settings

/// The `vault-transit` backend.
enum VaultBackend: KMSBackend {
    static let name = "vault-transit"

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        try context.checkPlainHTTP(VaultVariables.allowHTTP)
        let managers = try TransitKeyManager.load(
            from: context.environment, mode: context.mode, observer: context.observer, warn: context.warn)
        return managers.map { BatchingKeyManager($0, backlog: context.backlog) }
    }

    /// The fields of a provider, each with the variable that is validated alike.
    static let providerFields = [
        "address": VaultVariables.address, "caBundle": VaultVariables.caBytes,
        "tlsServerName": VaultVariables.tlsServerName, "vaultNamespace": VaultVariables.namespace,
        "name": VaultVariables.name, "mount": VaultVariables.mount, "key": VaultVariables.key,
        "authMethod": VaultVariables.authentication, "authMount": VaultVariables.authenticationMount,
        "role": VaultVariables.role,
    ]

    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager {
        let settings = try VaultSettings.load(
            from: provider.settings, authentication: try authentication(provider, context))
        let manager = try TransitKeyManager.connect(
            settings, transports: context.transports, observer: context.observer)
        return BatchingKeyManager(manager, backlog: context.backlog)
    }

    /// Logs in with the identity, or else with the service account's token of this process. A user of the command line has
    /// credentials of their own.
    private static func authentication(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> VaultAuthentication {
        guard !context.usesCredentialsOfUser else {
            return try .load(VaultVariables(environment: context.environment))
        }
        var login = provider.settings
        if login.value(VaultVariables.authentication) == nil {
            login = login.overriding([VaultVariables.authentication: "kubernetes"])
        }
        let file = context.environment.value(VaultVariables.serviceAccountTokenFile)
        login = login.overriding([VaultVariables.serviceAccountTokenFile: file])
        let authentication = try VaultAuthentication.load(VaultVariables(environment: login))
        guard case .login(let method, let mount) = authentication else { return authentication }
        guard let identity = context.identity else { return authentication }
        return .login(method.with(identity), mount: mount)
    }

    /// A token works at any server that gets it, so that the user has to name the server too.
    static func checkServers(
        of provider: ProviderEnvironment, for user: Environment
    ) throws(KeyProviderSettingsError) {
        guard let server = provider.settings.value(VaultVariables.address).flatMap({ ServerAddress($0) })
        else { return }
        let own = VaultVariables(environment: user).value(VaultVariables.address)
        let ownServer = own.flatMap { ServerAddress($0.value) }
        guard ownServer?.origin != server.origin else { return }
        throw .untrustedServer(
            server.url, field: "address", variable: own?.variable ?? "VAULT_ADDR", own: ownServer?.url)
    }
}

extension VaultLoginMethod {
    /// Returns the same method with another identity.
    fileprivate func with(_ identity: any IdentityTokenSource) -> VaultLoginMethod {
        switch self {
        case .kubernetes(let role, _): .kubernetes(role: role, token: identity)
        case .jwt(let role, _): .jwt(role: role, token: identity)
        case .appRole: self
        }
    }
}
