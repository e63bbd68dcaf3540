import Concurrency
import Envelope
import HTTP
import Settings

/// Symmetric keys of Google Cloud KMS.
enum GCPBackend: KMSBackend {
    static let name = "gcp-kms"

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        let settings = try GCPSettings.load(from: context.environment)
        let source = GoogleCredentials.applicationDefault(
            try .make(context.environment, universe: settings.universe))
        return [try keyManager(settings, source, context)]
    }

    static func keyManager(
        for settings: KeyProviderSettings, _ context: KMSBackendContext
    ) throws(KeyProviderSettingsError) -> any KeyManager {
        do throws(SettingError) {
            let hasOwnIdentity = context.identity != nil
            let gcp = try GCPSettings(
                provider: settings, credentials: hasOwnIdentity ? nil : context.environment)
            let credentials = try GoogleCredentialsContext.make(context.environment, universe: gcp.universe)
            guard let identity = context.identity else {
                return try keyManager(gcp, GoogleCredentials.applicationDefault(credentials), context)
            }
            return try keyManager(
                gcp, try GoogleIdentityExchange.source(identity, settings, credentials), context)
        } catch {
            throw KeyProviderSettingsError("\(error)")
        }
    }

    private static func keyManager(
        _ settings: GCPSettings, _ source: any CloudTokenSource, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager {
        var configuration = HTTPClientConfiguration()
        // Google speaks HTTP/2; behind a proxy that does not, this is the number of requests in flight.
        configuration.maximumConnectionsPerHost = 16
        let manager = GCPKeyManager(
            settings, transport: CurlClient(configuration), tokens: RefreshingCloudToken(source),
            observer: context.observer)
        return BatchingKeyManager(manager, backlog: context.backlog)
    }
}
