import Primitives

/// What the selected profile of the shared configuration gives. The files are read each time.
struct AWSProfileCredentials: AWSCredentialsSource {
    let context: AWSCredentialsContext

    /// `profile dev`
    var name: String {
        let selected = AWSProfiles.selection(in: context.environment)?.name ?? "default"
        return "profile \(selected.asShownName)"
    }

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let profiles = try AWSProfiles.load(from: context.environment)
        guard let plan = try AWSProfilePlan.make(profiles) else { return nil }
        return try await carryOut(plan, profiles)
    }

    private func carryOut(
        _ plan: AWSProfilePlan, _ profiles: AWSProfiles
    ) async throws(AWSCredentialsError) -> AWSCredentials {
        switch plan {
        case .keys(let keys): return keys
        case .webIdentity(let role, let file):
            guard let path = context.environment.expandingHome(file) else {
                throw AWSCredentialsError(
                    .misconfigured, "\(name): HOME is not set, where \(file.asShownName) is")
            }
            let service = try context.tokenService(for: name, profiles)
            return try await service.assume(
                role,
                webIdentity: AWSWebIdentityCredentials.token(
                    in: path, for: name, setting: "web_identity_token_file"))
        case .role(let role, let profile, let inner):
            let source = try await carryOut(inner, profiles)
            let service = try context.tokenService(for: "profile \(profile.asShownName)", profiles)
            return try await service.assume(role, with: source, date: context.clocks.date)
        case .singleSignOn(let signOn): return try await given(by: signOnSource(signOn, profiles))
        case .process(let command):
            return try await given(
                by: AWSProcessCredentials(
                    name: "\(name): credential_process", command: command,
                    environment: context.childEnvironment()))
        case .environment:
            return try await given(by: AWSEnvironmentCredentials(environment: context.environment))
        case .container:
            return try await given(by: AWSContainerCredentials(context.environment, transport: context.local))
        case .instance:
            return try await given(by: AWSInstanceCredentials(context.metadata, date: context.clocks.date))
        }
    }

    /// A profile that names a source needs it.
    private func given(by source: any AWSCredentialsSource) async throws(AWSCredentialsError)
        -> AWSCredentials
    {
        guard let credentials = try await source.credentials() else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): its credential_source (\(source.name)) is not configured, or turned off")
        }
        return credentials
    }

    private func signOnSource(
        _ signOn: AWSSingleSignOn, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> AWSSignOnCredentials {
        let name = "profile \(signOn.profile.asShownName): IAM Identity Center"
        guard let region = AWSRegion(signOn.region) else {
            throw AWSCredentialsError(
                .misconfigured, "\(name): sso_region is no Region, for example: eu-central-1")
        }
        return AWSSignOnCredentials(
            name: name, signOn: signOn, tokenFile: AWSSignOnToken.path(for: signOn, context.environment),
            client: AWSCredentialsClient(
                name: name, transport: context.services, attempts: 3, timeout: .seconds(5),
                advice: "check the proxy (HTTPS_PROXY, NO_PROXY) and sso_region"),
            portal: try context.url(of: .sso, in: region, for: name, profiles),
            oidc: try context.url(of: .ssoOIDC, in: region, for: name, profiles), date: context.clocks.date)
    }
}
