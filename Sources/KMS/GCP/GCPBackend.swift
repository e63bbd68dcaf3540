import Envelope
import Settings

/// The `gcp-kms` backend.
enum GCPBackend: KMSBackend {
    static let name = "gcp-kms"

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        let environment = context.environment
        let settings = try GCPSettings.load(from: environment, credentials: environment)
        let credentials = try credentialsContext(settings, context)
        return ([settings] + (try settings.previousKeySettings(from: environment))).map {
            keyManager($0, GoogleCredentials.applicationDefault(credentials), credentials, context)
        }
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
        let credentials = try credentialsContext(settings, context)
        let identity = GoogleProviderIdentity(settings: provider.settings, context: credentials)
        let source: any CloudTokenSource =
            if let token = context.identity {
                try identity.source(exchanging: token)
            } else if context.mode == .controller {
                try identity.impersonated(GoogleCredentials.applicationDefault(credentials))
            } else {
                GoogleCredentials.applicationDefault(credentials)
            }
        return keyManager(settings, source, credentials, context)
    }

    /// Tokens go to Google, to the cloud of the user's credentials, or where the user's own settings say.
    static func checkServers(
        of provider: ProviderEnvironment, for user: Environment
    ) throws(KeyProviderSettingsError) {
        let settings = provider.settings
        let ownUniverse =
            user.value(GCPSettings.universeVariable).map { GoogleUniverse($0) }
            ?? GoogleCredentialsFile.universe(user)
        let universes = [GoogleUniverse.standard] + [ownUniverse].compactMap { $0 }
        if let universe = settings.value(GCPSettings.universeVariable).flatMap({ GoogleUniverse($0) }),
            !universes.contains(universe)
        {
            throw .untrustedServer(
                universe.domain, field: "universeDomain", variable: GCPSettings.universeVariable,
                own: ownUniverse?.domain)
        }
        guard let endpoint = settings.value(GCPSettings.endpointVariable).flatMap({ ServerAddress($0) }),
            !universes.contains(where: { endpoint.isBelow($0) })
        else { return }
        let own = user.value(GCPSettings.endpointVariable).flatMap { ServerAddress($0) }
        guard own?.origin != endpoint.origin else { return }
        throw .untrustedServer(
            endpoint.url, field: "endpoint", variable: GCPSettings.endpointVariable, own: own?.url)
    }

    private static func credentialsContext(
        _ settings: GCPSettings, _ context: KMSBackendContext
    ) throws(SettingError) -> GoogleCredentialsContext {
        GoogleCredentialsContext(
            context.environment,
            // Google speaks HTTP/2; behind a proxy that does not, these are the requests in flight.
            services: try context.transports.transport(
                ConnectionSettings(connectTimeout: .seconds(5), maximumConnectionsPerHost: 16), TLSSettings()),
            local: LocalServices.transport, universe: settings.universe)
    }

    private static func keyManager(
        _ settings: GCPSettings, _ source: any CloudTokenSource, _ credentials: GoogleCredentialsContext,
        _ context: KMSBackendContext
    ) -> any KeyManager {
        GCPKeyManager.make(
            settings, transport: credentials.services, tokens: RefreshingCloudToken(source),
            observer: context.observer, backlog: context.backlog)
    }
}

extension ServerAddress {
    /// Returns true for the https address of a service of this cloud.
    fileprivate func isBelow(_ universe: GoogleUniverse) -> Bool {
        !isPlainHTTP && origin.hasSuffix(".\(universe.domain):443")
    }
}
