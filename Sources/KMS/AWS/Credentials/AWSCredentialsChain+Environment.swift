import HTTP

extension AWSCredentialsChain {
    /// The SDKs' order, as far as they agree: keys in variables, web identity, profile, container, instance.
    init(_ context: AWSCredentialsContext) {
        self.init([
            AWSEnvironmentCredentials(environment: context.environment),
            AWSWebIdentityCredentials(context: context),
            AWSProfileCredentials(context: context),
            AWSContainerCredentials(context.environment, transport: context.local),
            AWSInstanceCredentials(context.metadata, date: context.clocks.date),
        ])
    }
}

extension RefreshingAWSCredentials {
    /// What the environment, the shared files and the platform have for this process. Nothing is read or
    /// asked before the first use, and what is wrong is said then; each refresh looks anew.
    ///
    /// `region`: that of the key, for when nothing else says where STS is.
    ///
    /// Errors: a flag that says how services may be reached is neither true nor false.
    static func load(
        from environment: Environment, region: AWSRegion? = nil
    ) throws(SettingError) -> RefreshingAWSCredentials {
        let services = HTTPClientConfiguration(
            trust: environment.value("AWS_CA_BUNDLE").map { .file($0) } ?? .system,
            plainHTTP: try AWSEndpoints(environment: environment).acceptsPlainHTTP ? .always : .loopbackOnly,
            connectTimeout: .seconds(5))
        let context = AWSCredentialsContext(
            environment, services: CurlClient(services), local: CurlClient(localConfiguration),
            fallbackRegion: region)
        return RefreshingAWSCredentials(AWSCredentialsChain(context))
    }

    /// To what is beside us. A proxy would see its tokens, and has another neighbourhood.
    static let localConfiguration = HTTPClientConfiguration(
        proxy: .none, plainHTTP: .always, connectTimeout: .seconds(2))
}
