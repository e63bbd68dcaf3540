import Envelope
import HTTP
import Settings

/// The `azure-key-vault` backend: Azure Key Vault and Managed HSM.
enum AzureBackend: KMSBackend {
    static let name = "azure-key-vault"

    static let providerFields = [
        "vaultURL": AzureSettings.vaultVariable, "key": AzureSettings.keyVariable,
        "keyVersion": AzureSettings.keyVersionVariable, "tenantID": AzureApplication.tenantVariable,
        "clientID": AzureApplication.clientVariable, "authorityHost": AzureAuthority.variable,
    ]

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        let environment = context.environment
        let settings = try AzureSettings.load(from: environment, tls: .azure(environment))
        let authority = try AzureAuthority.load(from: environment, for: settings.key.vault)
        var managers: [any KeyManager] = []
        for settings in [settings] + (try settings.previousKeySettings(from: environment)) {
            managers.append(
                try keyManager(settings, environment, context) { .process($0, authority: authority) })
        }
        return managers
    }

    /// The secret or the assertion of an application works at any server that gets it. A token for the vault does not need this
    /// check: `AzureChallenge` compares its audience with the vault.
    static func checkServers(
        of provider: ProviderEnvironment, for user: Environment
    ) throws(KeyProviderSettingsError) {
        guard let authority = AzureAuthority.address(provider.settings.value(AzureAuthority.variable)),
            !AzureAuthority.known.contains(authority.url)
        else { return }
        let own = AzureAuthority.address(user.value(AzureAuthority.variable))
        guard own?.origin != authority.origin else { return }
        throw .untrustedServer(
            authority.url, field: "authorityHost", variable: AzureAuthority.variable, own: own?.url)
    }

    /// Signs in to the provider's application with the identity, or else with the credentials of this process. A user of the
    /// command line has credentials of their own.
    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager {
        let settings = try AzureSettings.load(from: provider.settings, tls: .azure(context.environment))
        // The token of an identity goes where the provider says, or to the vault's own cloud, whatever this process uses.
        let isOwn = context.identity != nil || provider.settings.value(AzureAuthority.variable) != nil
        let authority = try AzureAuthority.load(
            from: isOwn ? provider.settings : context.environment, for: settings.key.vault)
        if let identity = context.identity {
            let application = try AzureApplication.load(from: provider.settings)
            return try keyManager(settings, context.environment, context) { credentials in
                AzureCredentials([
                    AzureFederatedCredential(
                        name: identity.name, application: application, identity: identity,
                        endpoint: AzureTokenEndpoint(credentials, authority: authority))
                ])
            }
        }
        var environment = context.environment
        if context.mode == .controller {
            // A managed identity or a workload identity of this process, if it has several.
            for variable in [AzureApplication.tenantVariable, AzureApplication.clientVariable] {
                if let value = provider.settings.value(variable) {
                    environment = environment.overriding([variable: value])
                }
            }
        }
        return try keyManager(settings, environment, context) { .process($0, authority: authority) }
    }

    /// - Parameter environment: The variables of the credentials.
    private static func keyManager(
        _ settings: AzureSettings, _ environment: Environment, _ context: KMSBackendContext,
        _ credentials: (AzureCredentialsContext) -> AzureCredentials
    ) throws(SettingError) -> any KeyManager {
        let transport = try context.transports.transport(
            ConnectionSettings(plainHTTP: .never, connectTimeout: .seconds(5), maximumConnectionsPerHost: 16),
            settings.tls)
        let manager = AzureKeyManager(
            settings,
            credentials: credentials(
                AzureCredentialsContext(
                    environment, services: transport,
                    local: LocalServices.transport)),
            transport: transport, observer: context.observer)
        return BatchingKeyManager(manager, backlog: context.backlog)
    }
}
