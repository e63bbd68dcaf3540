import Envelope
import Settings

/// The identity of a provider: its token is exchanged at the Security Token Service, and the result may impersonate a service
/// account.
struct GoogleProviderIdentity {
    /// Has the fields of the provider.
    let settings: Environment
    let context: GoogleCredentialsContext

    // The fields have no variables of this process; errors name the fields.
    static let poolProviderVariable = "SB_KMS_GCP_WORKLOAD_IDENTITY_PROVIDER"
    static let serviceAccountVariable = "SB_KMS_GCP_SERVICE_ACCOUNT"
    static let stsEndpointVariable = "SB_KMS_GCP_STS_ENDPOINT"
    static let iamEndpointVariable = "SB_KMS_GCP_IAM_ENDPOINT"

    /// Returns the source of tokens for an identity. The credentials of this process are not used.
    func source(exchanging identity: any IdentityTokenSource) throws(SettingError) -> any CloudTokenSource {
        let isImpersonated = settings.value(Self.serviceAccountVariable) != nil
        let exchange = GoogleTokenExchange(
            name: identity.name, audience: try audience(),
            scope: isImpersonated ? GoogleCredentials.impersonationScope : GoogleCredentials.scope,
            subjectTokenType: GoogleTokenExchange.jwtType,
            subjectToken: { () throws(CloudError) in
                do throws(IdentityTokenError) {
                    return try await identity.token()
                } catch {
                    throw CloudError(error)
                }
            },
            endpoint: OAuthTokenEndpoint(
                client: context.client(identity.name),
                url: try url(Self.stsEndpointVariable, service: "sts", "/v1/token")))
        return try impersonated(exchange)
    }

    /// Returns a source that impersonates the provider's service account, or `source` itself if there is none.
    func impersonated(_ source: any CloudTokenSource) throws(SettingError) -> any CloudTokenSource {
        guard let email = settings.value(Self.serviceAccountVariable) else { return source }
        let parts = email.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ URLPath.isSegment($0) }) else {
            throw SettingError(
                variable: Self.serviceAccountVariable,
                problem: "is not the email of a service account: <name>@<project>.iam.gserviceaccount.com")
        }
        return GoogleImpersonation(
            name: source.name, of: source,
            url: try url(
                Self.iamEndpointVariable, service: "iamcredentials",
                "/v1/projects/-/serviceAccounts/\(email):generateAccessToken"), context,
            scope: GoogleCredentials.scope)
    }

    /// Returns the audience of the exchange, `//iam.googleapis.com/projects/…/providers/…`.
    private func audience() throws(SettingError) -> String {
        let prefix = "//iam.googleapis.com/"
        let example =
            "\(prefix)projects/123456789/locations/global/workloadIdentityPools/my-pool/providers/my-cluster"
        guard let provider = settings.value(Self.poolProviderVariable) else {
            throw SettingError(
                variable: Self.poolProviderVariable,
                problem:
                    "is not set; with an identity, it names the provider that trusts the cluster's tokens: \(example)"
            )
        }
        let name = provider.hasPrefix(prefix) ? String(provider.dropFirst(prefix.count)) : provider
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 8, parts[0] == "projects", parts[2] == "locations",
            parts[4] == "workloadIdentityPools", parts[6] == "providers",
            parts.allSatisfy({ URLPath.isSegment($0) })
        else {
            throw SettingError(
                variable: Self.poolProviderVariable,
                problem: "is not the name of a provider, for example: \(example)")
        }
        return prefix + name
    }

    private func url(
        _ variable: String, service: String, _ path: String
    ) throws(SettingError) -> CloudURL {
        let fallback = "https://\(service).\(context.universe.domain)"
        let address = try GCPSettings.address(variable, in: settings, default: fallback)
        guard let url = CloudURL(address.url + path) else {
            throw SettingError(
                variable: variable, problem: "is not a URL of the form https://<host>[:<port>]")
        }
        return url
    }
}
