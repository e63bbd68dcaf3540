import Envelope
import HTTP

extension AWSKeyManager {
    static func load(from environment: Environment) throws(SettingError) -> AWSKeyManager {
        let settings = try AWSSettings.load(from: environment)
        var configuration = HTTPClientConfiguration()
        if let path = settings.authorities { configuration.trust = .file(path) }
        if settings.acceptsPlainHTTP { configuration.plainHTTP = .always }
        // Where AWS speaks HTTP/1.1, this is how many requests are in flight at once.
        configuration.maximumConnectionsPerHost = 16
        return AWSKeyManager(
            settings, credentials: EnvironmentCredentials(environment: environment),
            transport: CurlClient(configuration))
    }

    /// Through a transport of the caller's, which brings its own trust.
    init(
        _ settings: AWSSettings, credentials: any AWSCredentialsProvider, transport: any HTTPTransport,
        clock: AWSClock = AWSClock()
    ) {
        self.init(
            settings,
            kms: AWSClient(
                .kms, in: settings.region, at: settings.kms, transport: transport, credentials: credentials,
                pacer: AWSPacer(maximum: settings.requestsPerSecond, clock: clock), clock: clock),
            sts: AWSClient(
                .sts, in: settings.region, at: settings.sts, transport: transport, credentials: credentials,
                clock: clock))
    }
}
