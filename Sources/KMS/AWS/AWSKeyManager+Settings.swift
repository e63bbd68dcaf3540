import Envelope
import HTTP

extension AWSKeyManager {
    /// With credentials as the SDKs find them. Nothing is asked before the first use.
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> AWSKeyManager {
        let profiles: AWSProfiles
        do throws(AWSCredentialsError) {
            profiles = try AWSProfiles.load(from: environment)
        } catch {
            let selected = AWSProfiles.selection(in: environment)
            throw SettingError(
                variable: selected?.variable ?? "the AWS configuration (profile default)",
                problem: selected.map {
                    "names the profile \($0.name.sanitizedName), which cannot be used: \(error)"
                }
                    ?? "cannot be used: \(error)")
        }
        let settings = try AWSSettings.load(
            from: environment, profile: profiles.activeSettings, services: profiles.activeServices)
        var configuration = HTTPClientConfiguration()
        if settings.acceptsPlainHTTP { configuration.plainHTTP = .always }
        // Where AWS speaks HTTP/1.1, this is how many requests are in flight at once.
        configuration.maximumConnectionsPerHost = 16
        return AWSKeyManager(
            settings,
            credentials: try RefreshingAWSCredentials.load(
                from: environment, region: settings.region, tls: settings.tls),
            transport: try ReloadingTransport(configuration, settings.tls), observer: observer)
    }

    /// Through a transport of the caller's, which brings its own trust.
    init(
        _ settings: AWSSettings, credentials: any AWSCredentialsProvider, transport: any HTTPTransport,
        clock: AWSClock = AWSClock(), observer: (any KeyManagerObserver)? = nil
    ) {
        self.init(
            settings,
            kms: AWSClient(
                .kms, in: settings.region, at: settings.kmsAddress, transport: transport,
                credentials: credentials,
                pacer: AWSRateLimiter(maximum: settings.requestsPerSecond, clock: clock), clock: clock,
                observer: observer),
            sts: AWSClient(
                .sts, in: settings.region, at: settings.stsAddress, transport: transport,
                credentials: credentials,
                clock: clock))
    }
}
