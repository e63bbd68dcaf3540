import Settings
import System

/// The credentials of the selected profile. The shared files are read each time.
struct AWSProfileCredentials: AWSCredentialsSource {
    let context: AWSCredentialsContext

    /// `profile dev`
    var name: String {
        let selected = AWSProfiles.selection(in: context.environment)?.name ?? "default"
        return "profile \(selected.sanitizedName)"
    }

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let profiles = try AWSProfiles.load(from: context.environment)
        guard let plan = try AWSProfilePlan.make(profiles) else { return nil }
        return try await credentials(plan, profiles)
    }

    private func credentials(
        _ plan: AWSProfilePlan, _ profiles: AWSProfiles
    ) async throws(AWSCredentialsError) -> AWSCredentials {
        switch plan {
        case .accessKeys(let keys): return keys
        case .webIdentity(let role, let file):
            guard let path = context.environment.expandingHome(file) else {
                throw AWSCredentialsError(
                    .misconfigured, "\(name): \(file.sanitizedName) begins with ~, and HOME is not set")
            }
            let service = try context.tokenService(for: name, profiles)
            return try await service.assume(
                role,
                webIdentity: AWSWebIdentityCredentials.token(
                    in: path, for: name, setting: "web_identity_token_file"))
        case .assumeRole(let role, let profile, let inner):
            let source = try await credentials(inner, profiles)
            let service = try context.tokenService(for: "profile \(profile.sanitizedName)", profiles)
            return try await service.assume(role, with: source, date: context.clocks.date)
        case .sso(let settings): return try await credentials(of: ssoSource(settings, profiles))
        case .process(let command):
            return try await credentials(
                of: AWSProcessCredentials(
                    name: "\(name): credential_process", command: command,
                    environment: context.childEnvironment()))
        case .environment:
            return try await credentials(of: AWSEnvironmentCredentials(environment: context.environment))
        case .container:
            return try await credentials(
                of: AWSContainerCredentials(context.environment, transport: context.localTransport))
        case .instance:
            return try await credentials(
                of: AWSInstanceCredentials(context.instanceMetadata, date: context.clocks.date))
        }
    }

    /// Requires a source that the profile names to have credentials.
    private func credentials(of source: any AWSCredentialsSource) async throws(AWSCredentialsError)
        -> AWSCredentials
    {
        guard let credentials = try await source.credentials() else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): its credential_source (\(source.name)) is not configured, or is disabled")
        }
        return credentials
    }

    private func ssoSource(
        _ settings: AWSSSOSettings, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> AWSSSOCredentials {
        let name = "profile \(settings.profile.sanitizedName): IAM Identity Center"
        guard let region = AWSRegion(settings.region) else {
            throw AWSCredentialsError(
                .misconfigured, "\(name): sso_region is not the name of a Region, for example: eu-central-1")
        }
        return AWSSSOCredentials(
            name: name, settings: settings, tokenFile: AWSSSOToken.path(for: settings, context.environment),
            client: AWSCredentialsClient(
                name: name, transport: context.serviceTransport, attempts: 3, timeout: .seconds(5),
                remedy: "check the proxy (HTTPS_PROXY, NO_PROXY) and sso_region"),
            portalURL: try context.endpointURL(of: .sso, in: region, for: name, profiles),
            oidcURL: try context.endpointURL(of: .ssoOIDC, in: region, for: name, profiles),
            date: context.clocks.date)
    }
}
