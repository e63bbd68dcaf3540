import HTTP
import Settings
import System

/// Takes credentials from the first source that is configured. A configured source that fails ends the search: later
/// sources would have the credentials of another identity.
struct AWSCredentialsChain: AWSCredentialsSource {
    let name = "AWS credentials"
    private let sources: [any AWSCredentialsSource]

    private static let remedy =
        "on EKS, give the service account a role: the annotation eks.amazonaws.com/role-arn (IRSA), which sets "
        + "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or a pod identity association"

    /// - Parameter sources: The sources in the order in which they are tried.
    init(_ sources: [any AWSCredentialsSource]) {
        self.sources = sources
    }

    /// Never returns nil.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        var tried: [String] = []
        for source in sources {
            do throws(AWSCredentialsError) {
                if let credentials = try await source.credentials() { return credentials }
            } catch {
                guard source.isImplicit, error.code != .cancelled else { throw error }
                throw AWSCredentialsError(
                    error.code,
                    "no AWS credentials are configured (\(tried.joined(separator: ", "))), and \(error.message); "
                        + Self.remedy, retryAfter: error.retryAfter)
            }
            tried.append(source.name)
        }
        throw AWSCredentialsError(
            .misconfigured,
            "no AWS credentials are configured (\(tried.joined(separator: ", "))); \(Self.remedy)")
    }
}

extension AWSCredentialsChain {
    /// Uses the order in which the SDKs agree: variables, web identity, profile, container, instance.
    init(_ context: AWSCredentialsContext) {
        self.init([
            AWSEnvironmentCredentials(environment: context.environment),
            AWSWebIdentityCredentials(context: context),
            AWSProfileCredentials(context: context),
            AWSContainerCredentials(context.environment, transport: context.localTransport),
            AWSInstanceCredentials(context.instanceMetadata, date: context.clocks.date),
        ])
    }
}

extension RefreshingAWSCredentials {
    /// Uses the credentials chain of this process. Files are read and servers queried at the first use and at each refresh,
    /// which also report errors.
    ///
    /// - Parameters:
    ///   - region: The key's Region, for STS if no other setting names one.
    ///   - tls: The CAs that verify AWS's services. The default is AWS_CA_BUNDLE, or `ca_bundle` of the selected profile.
    ///   - source: Returns the source of the credentials.
    /// - Throws: `SettingError` if a flag for endpoints is neither true nor false, or AWS_CA_BUNDLE has no CAs.
    static func load(
        from environment: Environment, region: AWSRegion? = nil, tls: TLSSettings? = nil,
        transports: any KMSTransports = OwnTransports(),
        source: (AWSCredentialsContext) -> any AWSCredentialsSource = { AWSCredentialsChain($0) }
    ) throws(SettingError) -> RefreshingAWSCredentials {
        // An invalid profile is reported at the first use.
        let profile = tls == nil ? (try? AWSProfiles.load(from: environment))?.activeSettings : nil
        let settings = if let tls { tls } else { try TLSSettings.aws(environment, profile: profile ?? [:]) }
        let connections = ConnectionSettings.aws(
            acceptsPlainHTTP: try AWSEndpoints(environment: environment).acceptsPlainHTTP)
        let context = AWSCredentialsContext(
            environment,
            services: try transports.transport(connections, settings),
            local: LocalServices.transport,
            fallbackRegion: region)
        return RefreshingAWSCredentials(source(context))
    }
}

/// Access keys in environment variables.
///
/// Source: AWS SDKs and Tools Reference Guide, "AWS access keys".
struct AWSEnvironmentCredentials: AWSCredentialsSource {
    let name = "environment"
    let environment: Environment

    static let accessKeyIDVariable = "AWS_ACCESS_KEY_ID"
    static let secretAccessKeyVariable = "AWS_SECRET_ACCESS_KEY"
    static let sessionTokenVariable = "AWS_SESSION_TOKEN"

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let id = environment.inlineSecret(Self.accessKeyIDVariable)
        let secret = environment.inlineSecret(Self.secretAccessKeyVariable)
        switch (id, secret) {
        case (nil, nil): return nil
        case (.some(let id), .some(let secret)):
            guard
                let credentials = AWSCredentials(
                    accessKeyID: id, secretAccessKey: secret,
                    sessionToken: environment.inlineSecret(Self.sessionTokenVariable))
            else {
                throw AWSCredentialsError(
                    .misconfigured,
                    "\(name): \(Self.accessKeyIDVariable), \(Self.secretAccessKeyVariable) or \(Self.sessionTokenVariable) is not one word of visible ASCII"
                )
            }
            return credentials
        case (.some, nil): throw incomplete(Self.accessKeyIDVariable, without: Self.secretAccessKeyVariable)
        case (nil, .some): throw incomplete(Self.secretAccessKeyVariable, without: Self.accessKeyIDVariable)
        }
    }

    private func incomplete(_ present: String, without missing: String) -> AWSCredentialsError {
        AWSCredentialsError(
            .misconfigured, "\(name): \(present) is set without \(missing); set both, or unset both")
    }
}
