import Cryptography
import HTTP
import JSON

/// The token endpoint of Microsoft Entra ID.
///
/// Source: Microsoft identity platform, "OAuth 2.0 client credentials flow".
struct AzureTokenEndpoint: Sendable {
    /// Proves that the client is the application.
    enum Proof: Sendable {
        case secret(SharedSecret)
        case certificate(AzureClientCertificate)
        /// A token of an issuer that the application trusts.
        case assertion(SharedSecret)
    }

    let authority: ServerAddress
    let transport: any HTTPTransport
    let clock: ClientClock

    init(_ context: AzureCredentialsContext, authority: ServerAddress) {
        self.authority = authority
        transport = context.serviceTransport
        clock = context.clock
    }

    /// - Parameter source: The name of the credential in messages.
    func token(
        for request: AzureTokenRequest, _ application: AzureApplication, proof: Proof, source: String
    ) async throws(CloudError) -> CloudToken {
        let (tenant, clientID) = (application.tenant, application.clientID)
        if let other = request.tenant, AzureIdentifier.isUUID(tenant), AzureIdentifier.isUUID(other),
            tenant.lowercased() != other.lowercased()
        {
            throw CloudError(
                .misconfigured,
                "\(source): the identity is of tenant \(tenant) and the vault of tenant \(other); use an identity of the "
                    + "vault's tenant")
        }
        guard let url = CloudURL("\(authority.url)/\(tenant)/oauth2/v2.0/token") else {
            throw CloudError(.misconfigured, "\(source): the URL of Microsoft Entra ID is not valid")
        }
        var form = FormBody()
        form.append("client_id", clientID)
        form.append("grant_type", "client_credentials")
        form.append("scope", request.scope)
        form.append("claims", SharedSecret(JSONWriter.write([request.claimsParameter])))
        switch proof {
        case .secret(let secret): form.append("client_secret", secret)
        case .certificate(let certificate):
            Self.append(
                try certificate.assertion(clientID: clientID, audience: url.text, now: clock.date(), source),
                to: &form)
        case .assertion(let assertion): Self.append(assertion, to: &form)
        }
        let endpoint = OAuthTokenEndpoint(
            client: CloudTokenClient(
                name: source, transport: RetryingTransport(transport: transport),
                remedy: "check the route to \(authority.url), the proxy (HTTPS_PROXY, NO_PROXY), and "
                    + "\(AzureSettings.caVariable) if certificates are not trusted"), url: url)
        return try await endpoint.token(form) { Self.remedy($0) }
    }

    private static func append(_ assertion: SharedSecret, to form: inout FormBody) {
        form.append(
            "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        form.append("client_assertion", assertion)
    }

    /// Source: "Microsoft Entra authentication and authorization error codes".
    private static func remedy(_ error: OAuthError) -> String? {
        for number in error.numbers { if let remedy = remedies[number] { return remedy } }
        return nil
    }

    private static let remedies = [
        50_034: "the account does not exist in this tenant; check the tenant",
        53_003: "a conditional access policy blocks the identity; exclude it",
        70_021:
            "the application has no federated credential for this token; add one with its issuer, subject and audience",
        90_002: "the tenant does not exist; check the tenant and the cloud (AZURE_AUTHORITY_HOST)",
        500_011: "the tenant has no Azure Key Vault service; check the cloud (AZURE_AUTHORITY_HOST)",
        700_016: "the tenant has no such application; check the client id and the tenant",
        700_024:
            "the assertion is not valid at this time; check this machine's clock, and the age of the token file",
        700_027: "the application does not have this certificate; register it",
        700_211:
            "the application trusts no such issuer; add a federated credential with the cluster's issuer URL",
        700_212: "the token has another audience than the application's federated credential; use "
            + "api://AzureADTokenExchange in both",
        700_213:
            "the application does not trust this service account; add a federated credential with the subject "
            + "system:serviceaccount:<namespace>:<name>",
        7_000_215: "the client secret is wrong; use its value, not its id",
        7_000_222: "the client secret has expired; create another one",
        7_000_112: "the application is disabled; enable it",
    ]
}
