import Envelope
import Settings

/// The `vault-transit` backend.
enum VaultBackend: KMSBackend {
    static let name = "vault-transit"

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
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
        guard context.identity != nil || context.mode == .controller else {
            let variables = VaultVariables(environment: context.environment)
            try checkServer(provider, variables)
            return try .load(variables)
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

    /// Checks that the user's credentials are not sent to a server that a provider's manifest names, if the user has named
    /// another one.
    private static func checkServer(
        _ provider: ProviderEnvironment, _ variables: VaultVariables
    ) throws(SettingError) {
        guard let (own, variable) = variables.value(VaultVariables.address),
            let server = provider.settings.value(VaultVariables.address).flatMap({ ServerAddress($0) }),
            let ownServer = ServerAddress(own), ownServer.origin != server.origin
        else { return }
        throw SettingError(
            variable: variable,
            problem:
                "is \(ownServer.url), and the provider's address is \(server.url); set \(variable) to that "
                + "address if your credentials may be sent there")
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
