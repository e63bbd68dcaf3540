import FoundationEssentials
import HTTP
import Settings
import System

/// The settings, transports and clocks that all credentials sources share.
struct AWSCredentialsContext: Sendable {
    let environment: Environment
    /// The transport to AWS's services.
    let serviceTransport: any HTTPTransport
    /// The transport to container agents and instance metadata, by plain http and without a proxy.
    let localTransport: any HTTPTransport
    /// The key's Region, for STS if neither the environment nor the profile names one.
    let fallbackRegion: AWSRegion?
    /// Returns the environment of a `credential_process`. It may hold secrets, so it is copied only when it is needed.
    let childEnvironment: @Sendable () -> [String: String]
    let clocks: RefreshingAWSCredentials.Clocks
    /// All sources share one client, which caches a token.
    let instanceMetadata: AWSInstanceMetadata

    static let regionVariables = ["AWS_REGION", "AWS_DEFAULT_REGION"]

    init(
        _ environment: Environment, services: any HTTPTransport, local: any HTTPTransport,
        fallbackRegion: AWSRegion? = nil,
        childEnvironment: @escaping @Sendable () -> [String: String] = inheritableEnvironment,
        clocks: RefreshingAWSCredentials.Clocks = .init()
    ) {
        self.environment = environment
        self.serviceTransport = services
        self.localTransport = local
        self.fallbackRegion = fallbackRegion
        self.childEnvironment = childEnvironment
        self.clocks = clocks
        instanceMetadata = AWSInstanceMetadata(environment, transport: local, now: clocks.now)
    }

    /// - Parameter name: The source's name in messages.
    func tokenService(
        for name: String, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> AWSSecurityTokenService {
        let region = try region(for: name, profiles)
        return AWSSecurityTokenService(
            name: name, transport: serviceTransport,
            endpoint: try endpointURL(of: .sts, in: region, for: name, profiles) + "/",
            region: region)
    }

    /// Returns the service's URL without a slash at the end.
    func endpointURL(
        of service: AWSService, in region: AWSRegion, for name: String, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> String {
        do throws(SettingError) {
            return try AWSEndpoints(
                environment: environment, profile: profiles.activeSettings, services: profiles.activeServices
            ).address(of: service, in: region).url
        } catch {
            throw AWSCredentialsError(.misconfigured, "\(name): \(error)")
        }
    }

    private func region(
        for name: String, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> AWSRegion {
        let variable = Self.regionVariables.first { environment.value($0) != nil }
        let setting = variable.flatMap { environment.value($0) } ?? profiles.activeSettings["region"]
        guard let setting, !setting.isEmpty else {
            if let fallbackRegion { return fallbackRegion }
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): AWS_REGION is not set; it names the Region of STS, for example: eu-central-1")
        }
        guard let region = AWSRegion(setting) else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): \(variable ?? "the profile's region") is not the name of a Region, for example: eu-central-1"
            )
        }
        return region
    }
}
