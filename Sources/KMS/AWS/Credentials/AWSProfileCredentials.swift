import System

/// What the selected profile of the shared configuration gives. The files are read each time.
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
        return try await carryOut(plan, profiles)
    }

    private func carryOut(
        _ plan: AWSProfilePlan, _ profiles: AWSProfiles
    ) async throws(AWSCredentialsError) -> AWSCredentials {
        switch plan {
        case .accessKeys(let keys): return keys
        case .webIdentity(let role, let file):
            guard let path = context.environment.expandingHome(file) else {
                throw AWSCredentialsError(
                    .misconfigured, "\(name): HOME is not set, where \(file.sanitizedName) is")
            }
            let service = try context.tokenService(for: name, profiles)
            return try await service.assume(
                role,
                webIdentity: AWSWebIdentityCredentials.token(
                    in: path, for: name, setting: "web_identity_token_file"))
        case .assumeRole(let role, let profile, let inner):
            let source = try await carryOut(inner, profiles)
            let service = try context.tokenService(for: "profile \(profile.sanitizedName)", profiles)
            return try await service.assume(role, with: source, date: context.clocks.date)
        case .sso(let signOn): return try await given(by: signOnSource(signOn, profiles))
        case .process(let command):
            return try await given(
                by: AWSProcessCredentials(
                    name: "\(name): credential_process", command: command,
                    environment: context.childEnvironment()))
        case .environment:
            return try await given(by: AWSEnvironmentCredentials(environment: context.environment))
        case .container:
            return try await given(
                by: AWSContainerCredentials(context.environment, transport: context.localTransport))
        case .instance:
            return try await given(
                by: AWSInstanceCredentials(context.instanceMetadata, date: context.clocks.date))
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
        _ signOn: AWSSSOSettings, _ profiles: AWSProfiles
    ) throws(AWSCredentialsError) -> AWSSSOCredentials {
        let name = "profile \(signOn.profile.sanitizedName): IAM Identity Center"
        guard let region = AWSRegion(signOn.region) else {
            throw AWSCredentialsError(
                .misconfigured, "\(name): sso_region is no Region, for example: eu-central-1")
        }
        return AWSSSOCredentials(
            name: name, settings: signOn, tokenFile: AWSSSOToken.path(for: signOn, context.environment),
            client: AWSCredentialsClient(
                name: name, transport: context.serviceTransport, attempts: 3, timeout: .seconds(5),
                advice: "check the proxy (HTTPS_PROXY, NO_PROXY) and sso_region"),
            portalURL: try context.endpointURL(of: .sso, in: region, for: name, profiles),
            oidcURL: try context.endpointURL(of: .ssoOIDC, in: region, for: name, profiles),
            date: context.clocks.date)
    }
}
