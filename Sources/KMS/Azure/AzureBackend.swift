import Envelope
import HTTP
import Settings

/// Azure Key Vault and Managed HSM.
enum AzureBackend: KMSBackend {
    static let name = "azure-key-vault"

    /// The fields of a provider.
    private enum Field: String, CaseIterable {
        case vaultURL, key, keyVersion, tenantID, clientID, authorityHost
    }

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        let settings = try AzureSettings.load(from: context.environment)
        let authority = try authority(context.environment, for: settings.key.vault)
        return [try keyManager(settings, context) { .process($0, authority: authority) }]
    }

    static func keyManager(
        for provider: KeyProviderSettings, _ context: KMSBackendContext
    ) throws(KeyProviderSettingsError) -> any KeyManager {
        for name in provider.values.keys.sorted() where Field(rawValue: name) == nil {
            throw KeyProviderSettingsError("\(name) is not a field of azureKeyVault; remove it")
        }
        let vault = try required(.vaultURL, provider, AzureSettings.vault)
        let key = AzureKey(vault: vault, name: try required(.key, provider, AzureSettings.keyName))
        let version = try optional(.keyVersion, provider, AzureSettings.keyVersion)
        let authorityHost = try optional(.authorityHost, provider, AzureSettings.authority)
        let federation = try federation(provider, context.identity)
        do throws(SettingError) {
            let settings = AzureSettings(key: key, keyVersion: version, tls: try .azure(context.environment))
            let authority =
                if let authorityHost { authorityHost } else { try authority(context.environment, for: vault) }
            return try keyManager(settings, context) { credentials in
                guard let federation else { return .process(credentials, authority: authority) }
                return .federated(federation, credentials, authority: authority)
            }
        } catch {
            throw KeyProviderSettingsError("\(error)")
        }
    }

    /// Returns the application that a tenant's identity signs in to, or nil if the provider uses the credentials of this
    /// process.
    private static func federation(
        _ provider: KeyProviderSettings, _ identity: (any IdentityTokenSource)?
    ) throws(KeyProviderSettingsError) -> AzureFederatedCredential? {
        guard let identity else {
            for field in [Field.tenantID, .clientID] where provider.values[field.rawValue] != nil {
                throw KeyProviderSettingsError(
                    "\(field.rawValue) belongs to a service account of its own, which is not set; set it, or remove "
                        + "\(field.rawValue) to use the controller's identity")
            }
            return nil
        }
        return AzureFederatedCredential(
            name: identity.name,
            tenant: try required(.tenantID, provider) { text throws(AzureSettings.Problem) in
                guard AzureIdentifier.isTenant(text) else {
                    throw AzureSettings.Problem(text: "is not the id of a tenant of Microsoft Entra ID")
                }
                return text
            },
            clientID: try required(.clientID, provider) { text throws(AzureSettings.Problem) in
                guard AzureIdentifier.isClientID(text) else {
                    throw AzureSettings.Problem(text: "is not the client id of an application")
                }
                return text
            }, identity: identity)
    }

    private static func optional<Value>(
        _ field: Field, _ provider: KeyProviderSettings,
        _ read: (String) throws(AzureSettings.Problem) -> Value
    ) throws(KeyProviderSettingsError) -> Value? {
        guard let text = provider.values[field.rawValue], !text.isEmpty else { return nil }
        do throws(AzureSettings.Problem) {
            return try read(text)
        } catch {
            throw KeyProviderSettingsError("\(field.rawValue) \(error.text)")
        }
    }

    private static func required<Value>(
        _ field: Field, _ provider: KeyProviderSettings,
        _ read: (String) throws(AzureSettings.Problem) -> Value
    ) throws(KeyProviderSettingsError) -> Value {
        guard let value = try optional(field, provider, read) else {
            throw KeyProviderSettingsError("\(field.rawValue) is missing; set it")
        }
        return value
    }

    private static func authority(
        _ environment: Environment, for vault: AzureVault
    ) throws(SettingError) -> ServerAddress {
        let variable = AzureProcessCredentials.authorityVariable
        do throws(AzureSettings.Problem) {
            return try AzureSettings.authority(environment.value(variable) ?? vault.defaultAuthority)
        } catch {
            throw SettingError(variable: variable, problem: error.text)
        }
    }

    private static func keyManager(
        _ settings: AzureSettings, _ context: KMSBackendContext,
        _ credentials: (AzureCredentialsContext) -> AzureCredentials
    ) throws(SettingError) -> any KeyManager {
        var configuration = HTTPClientConfiguration(plainHTTP: .never, connectTimeout: .seconds(5))
        // Key Vault speaks HTTP/1.1; this is then the number of requests in flight.
        configuration.maximumConnectionsPerHost = 16
        let transport = try ReloadingTransport(configuration, settings.tls)
        let manager = AzureKeyManager(
            settings,
            credentials: credentials(
                AzureCredentialsContext(
                    context.environment, services: transport,
                    local: CurlClient(RefreshingAWSCredentials.localConfiguration))),
            transport: transport, observer: context.observer)
        return BatchingKeyManager(manager, backlog: context.backlog)
    }
}
