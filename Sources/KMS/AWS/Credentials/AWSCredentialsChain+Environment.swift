import HTTP

extension AWSCredentialsChain {
    /// The SDKs' order, as far as they agree: keys in variables, web identity, profile, container, instance.
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
    /// What the environment, the shared files and the platform have for this process. Nothing is read or
    /// asked before the first use, and what is wrong is said then; each refresh looks anew.
    ///
    /// - Parameters:
    ///   - region: That of the key, for when nothing else names the Region of STS.
    ///   - tls: The CAs that all of AWS's services are verified with, STS and IAM Identity Center among them. Without
    ///     it, those of AWS_CA_BUNDLE or the selected profile.
    ///
    /// Errors: a flag that says how services may be reached is neither true nor false; AWS_CA_BUNDLE is no bundle.
    static func load(
        from environment: Environment, region: AWSRegion? = nil, tls: TLSSettings? = nil
    ) throws(SettingError) -> RefreshingAWSCredentials {
        // A profile that cannot be read is reported at the first use.
        let profile = tls == nil ? (try? AWSProfiles.load(from: environment))?.activeSettings : nil
        let settings = if let tls { tls } else { try TLSSettings.aws(environment, profile: profile ?? [:]) }
        let services = HTTPClientConfiguration(
            plainHTTP: try AWSEndpoints(environment: environment).acceptsPlainHTTP ? .always : .loopbackOnly,
            connectTimeout: .seconds(5))
        let context = AWSCredentialsContext(
            environment,
            services: try ReloadingTransport(services, settings),
            local: CurlClient(localConfiguration),
            fallbackRegion: region)
        return RefreshingAWSCredentials(AWSCredentialsChain(context))
    }

    /// To what is beside us. A proxy would see its tokens, and has another neighbourhood.
    static let localConfiguration = HTTPClientConfiguration(
        proxy: .none, plainHTTP: .always, connectTimeout: .seconds(2))
}
