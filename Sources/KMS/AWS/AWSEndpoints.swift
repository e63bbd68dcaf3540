import HTTP
import Settings

/// Resolves the URLs of AWS's services as the SDKs do: from the environment, from the profile, or from the Region.
///
/// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints", "Dual-stack and FIPS endpoints".
struct AWSEndpoints: Sendable {
    private let environment: Environment
    /// The settings of the active profile, and the `services` section that it names, by service.
    private let profile: [String: String]
    private let services: [String: [String: String]]
    private let usesFIPS: Bool
    private let usesDualStack: Bool
    private let ignoresConfigured: Bool
    let acceptsPlainHTTP: Bool

    /// This variable allows plain http to other machines, which exposes data keys to the network.
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
        acceptsPlainHTTP = try flag(Self.allowHTTPVariable)
    }

    /// - Throws: `SettingError` if the configured value is not a URL, or uses plain http to another machine.
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
        guard !address.isPlainHTTP || address.isLoopback || acceptsPlainHTTP else {
            throw SettingError(
                variable: variable,
                problem:
                    "uses plain http to another machine, which exposes data keys and tokens to the network; use "
                    + "https, or set \(Self.allowHTTPVariable)=true to accept that")
        }
        return address
    }

    /// Returns the URL that is set for a service, and the variable or setting that has it.
    private func configured(_ service: AWSService) -> (url: String, variable: String)? {
        func variable(_ name: String) -> (String, String)? { environment.value(name).map { ($0, name) } }
        func setting(_ value: String?, _ name: String) -> (String, String)? {
            value.flatMap { $0.isEmpty ? nil : ($0, name) }
        }
        if service == .kms, let url = variable(Self.kmsEndpointVariable) { return url }
        if ignoresConfigured { return nil }
        return variable("AWS_ENDPOINT_URL_\(service.settingName.uppercased())")
            ?? variable("AWS_ENDPOINT_URL")
            ?? setting(
                services[service.settingName]?["endpoint_url"], "endpoint_url (\(service.settingName))")
            ?? setting(profile["endpoint_url"], "endpoint_url")
    }

    private func host(of service: AWSService, in region: AWSRegion) -> String {
        let partition = region.partition
        // GovCloud's default endpoints are the FIPS endpoints; only KMS has both.
        let isAlwaysFIPS = partition.name == "aws-us-gov" && !usesDualStack && service != .kms
        let fips = usesFIPS && !isAlwaysFIPS ? "-fips" : ""
        let suffix = usesDualStack ? partition.dualStackSuffix : partition.suffix
        return "\(service.hostPrefix)\(fips).\(region).\(suffix)"
    }
}

/// An AWS service that this program sends requests to.
enum AWSService: Sendable, CaseIterable {
    case kms, sts
    /// IAM Identity Center: the portal that issues role credentials, and the OIDC service that refreshes sign-ins.
    case sso, ssoOIDC

    /// The first labels of its host names.
    var hostPrefix: String {
        switch self {
        case .kms: "kms"
        case .sts: "sts"
        case .sso: "portal.sso"
        case .ssoOIDC: "oidc"
        }
    }

    /// The name that messages use.
    var title: String {
        switch self {
        case .kms: "KMS"
        case .sts: "STS"
        case .sso, .ssoOIDC: "IAM Identity Center"
        }
    }

    /// The name in the credential scope of a signature.
    var signingName: String {
        switch self {
        case .kms: "kms"
        case .sts: "sts"
        case .sso: "awsssoportal"
        case .ssoOIDC: "sso-oauth"
        }
    }

    /// The name in a `services` section of the shared configuration and, in capitals, in AWS_ENDPOINT_URL_….
    var settingName: String {
        switch self {
        case .kms: "kms"
        case .sts: "sts"
        case .sso: "sso"
        case .ssoOIDC: "sso_oidc"
        }
    }
}

extension ConnectionSettings {
    /// The connections to KMS and STS, which speak HTTP/1.1 to some clients.
    static func aws(acceptsPlainHTTP: Bool) -> ConnectionSettings {
        ConnectionSettings(
            plainHTTP: acceptsPlainHTTP ? .always : .loopbackOnly, connectTimeout: .seconds(5),
            maximumConnectionsPerHost: 16)
    }
}
