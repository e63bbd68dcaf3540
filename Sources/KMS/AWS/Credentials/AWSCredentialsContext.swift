import FoundationEssentials
import HTTP
import System

/// What the sources of credentials share: the settings, the ways out, the clocks.
struct AWSCredentialsContext: Sendable {
    let environment: Environment
    /// To AWS's services.
    let serviceTransport: any HTTPTransport
    /// To what is beside us, by plain http and past every proxy: container agents, instance metadata.
    let localTransport: any HTTPTransport
    /// Where STS is when neither the environment nor the profile names a Region: that of the key.
    let fallbackRegion: AWSRegion?
    /// Of `credential_process`; made when there is one, since it holds whatever the process's own has.
    let childEnvironment: @Sendable () -> [String: String]
    let clocks: RefreshingAWSCredentials.Clocks
    /// One for all, since it keeps a token.
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

    /// STS where these settings have it; `name` is for messages.
    func tokenService(
        for name: String, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> AWSSecurityTokenService {
        let region = try region(for: name, profiles)
        return AWSSecurityTokenService(
            name: name, transport: serviceTransport,
            endpoint: try endpointURL(of: .sts, in: region, for: name, profiles) + "/",
            region: region)
    }

    /// Without a slash at the end.
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
                "\(name): AWS_REGION is not set; it says which STS is asked, for example: eu-central-1")
        }
        guard let region = AWSRegion(setting) else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): \(variable ?? "the profile's region") is no Region, for example: eu-central-1")
        }
        return region
    }
}
