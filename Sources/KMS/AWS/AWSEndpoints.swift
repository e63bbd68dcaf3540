/// Where AWS's services are, as the SDKs find them: by what the environment and the profile say, else by the
/// Region's partition.
///
/// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints", "Dual-stack and FIPS endpoints".
struct AWSEndpoints: Sendable {
    private let environment: Environment
    /// Settings of the active profile, and of the `services` section that it names, by service.
    private let profile: [String: String]
    private let services: [String: [String: String]]
    private let usesFIPS: Bool
    private let usesDualStack: Bool
    private let ignoresConfigured: Bool
    private let allowsHTTP: Bool

    /// Allows plain http to another machine, where data keys can be read on the way.
    static let allowHTTPVariable = "SB_KMS_AWS_ALLOW_HTTP"
    static let kmsEndpointVariable = "SB_KMS_AWS_ENDPOINT"

    init(
        environment: Environment, profile: [String: String] = [:], services: [String: [String: String]] = [:]
    ) throws(SettingError) {
        func flag(_ variable: String, _ setting: String? = nil) throws(SettingError) -> Bool {
            let value = environment.value(variable) ?? setting.flatMap { profile[$0] }
            switch value?.lowercased() {
            case nil, "", "false": return false
            case "true": return true
            case .some:
                throw SettingError(
                    variable: environment.value(variable) == nil ? setting ?? variable : variable,
                    problem: "is neither true nor false")
            }
        }
        self.environment = environment
        self.profile = profile
        self.services = services
        usesFIPS = try flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")
        usesDualStack = try flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
        ignoresConfigured = try flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")
        allowsHTTP = try flag(Self.allowHTTPVariable)
    }

    /// Errors: what is configured is no URL, or leads over plain http to another machine.
    func address(of service: AWSService, in region: AWSRegion) throws(SettingError) -> ServerAddress {
        let url: String
        let variable: String
        if let (configured, name) = configured(service) {
            (url, variable) = (configured, name)
        } else {
            (url, variable) = ("https://\(host(of: service, in: region))", "AWS_REGION")
        }
        guard let address = ServerAddress(url) else {
            throw SettingError(
                variable: variable,
                problem: "is not a URL of the form https://<host>[:<port>], for example: "
                    + "https://\(host(of: service, in: region))")
        }
        guard !address.isPlainHTTP || address.isLoopback || allowsHTTP else {
            throw SettingError(
                variable: variable,
                problem: "is plain http to another machine, where data keys and tokens can be read on the "
                    + "way; use https, or accept that with \(Self.allowHTTPVariable)=true")
        }
        return address
    }

    /// Whether plain http to other machines is accepted.
    var acceptsPlainHTTP: Bool { allowsHTTP }

    /// What is set, and where it stands.
    private func configured(_ service: AWSService) -> (url: String, variable: String)? {
        func variable(_ name: String) -> (String, String)? { environment.value(name).map { ($0, name) } }
        func filled(_ value: String?, _ name: String) -> (String, String)? {
            value.flatMap { $0.isEmpty ? nil : ($0, name) }
        }
        if service == .kms, let own = variable(Self.kmsEndpointVariable) { return own }
        if ignoresConfigured { return nil }
        return variable("AWS_ENDPOINT_URL_\(service.settingName.uppercased())")
            ?? variable("AWS_ENDPOINT_URL")
            ?? filled(services[service.settingName]?["endpoint_url"], "endpoint_url (\(service.settingName))")
            ?? filled(profile["endpoint_url"], "endpoint_url")
    }

    private func host(of service: AWSService, in region: AWSRegion) -> String {
        let partition = region.partition
        // GovCloud's own hosts are the FIPS ones; only KMS has both.
        let isFIPSAnyway = partition.name == "aws-us-gov" && !usesDualStack && service != .kms
        let fips = usesFIPS && !isFIPSAnyway ? "-fips" : ""
        let suffix = usesDualStack ? partition.dualStackSuffix : partition.suffix
        return "\(service.hostPrefix)\(fips).\(region).\(suffix)"
    }
}
