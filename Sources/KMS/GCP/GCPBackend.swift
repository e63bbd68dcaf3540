import Envelope
import Settings

/// The `gcp-kms` backend.
enum GCPBackend: KMSBackend {
    static let name = "gcp-kms"

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        let environment = context.environment
        let settings = try GCPSettings.load(from: environment, credentials: environment)
        let credentials = GoogleCredentialsContext(environment, universe: settings.universe)
        return [keyManager(settings, GoogleCredentials.applicationDefault(credentials), context)]
    }

    static let providerFields = [
        "key": GCPSettings.keyVariable, "endpoint": GCPSettings.endpointVariable,
        "quotaProject": GCPSettings.quotaProjectVariable, "universeDomain": GCPSettings.universeVariable,
        "workloadIdentityProvider": GoogleProviderIdentity.poolProviderVariable,
        "serviceAccount": GoogleProviderIdentity.serviceAccountVariable,
        "stsEndpoint": GoogleProviderIdentity.stsEndpointVariable,
        "iamEndpoint": GoogleProviderIdentity.iamEndpointVariable,
    ]

    /// Uses the identity, or else the credentials of this process. Both may impersonate the provider's service account; a user
    /// of the command line has credentials of their own.
    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager {
        let settings = try GCPSettings.load(
            from: provider.settings, credentials: context.identity == nil ? context.environment : nil)
        let credentials = GoogleCredentialsContext(context.environment, universe: settings.universe)
        let identity = GoogleProviderIdentity(settings: provider.settings, context: credentials)
        let source: any CloudTokenSource =
            if let token = context.identity {
                try identity.source(exchanging: token)
            } else if context.mode == .controller {
                try identity.impersonated(GoogleCredentials.applicationDefault(credentials))
            } else {
                GoogleCredentials.applicationDefault(credentials)
            }
        return keyManager(settings, source, context)
    }

    private static func keyManager(
        _ settings: GCPSettings, _ source: any CloudTokenSource, _ context: KMSBackendContext
    ) -> any KeyManager {
        let manager = GCPKeyManager(
            settings, transport: GoogleTransports.services, tokens: RefreshingCloudToken(source),
            observer: context.observer)
        return BatchingKeyManager(manager, backlog: context.backlog)
    }
}
