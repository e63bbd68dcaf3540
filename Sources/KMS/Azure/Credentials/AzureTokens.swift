import Concurrency
import Cryptography
import Envelope
import HTTP
import HTTPTypes
import JSON
import System

/// The access token that a vault wants.
struct AzureTokenRequest: Sendable {
    /// `https://vault.azure.net`
    let resource: String
    /// The tenant of the vault, if the vault names it.
    let tenant: String?
    /// The claims that the vault demanded.
    var claims: JSONValue?

    var scope: String { "\(resource)/.default" }

    /// The `claims` parameter of a token request: what the vault demanded, and that this client understands claims challenges
    /// (capability CP1), for which it gets tokens that live longer and are revoked at once.
    var claimsParameter: JSONValue {
        let capability: JSONValue = ["values": ["CP1"]]
        var members = claims?.members ?? []
        let demanded = members.first { $0.key == "access_token" }?.value.members ?? []
        members.removeAll { $0.key == "access_token" }
        let token = demanded.filter { $0.key != "xms_cc" } + [(key: "xms_cc", value: capability)]
        return .object(members + [(key: "access_token", value: .object(token))])
    }
}

/// The access tokens for one vault, kept fresh. Safe to use from many tasks.
final class AzureTokens: CloudTokenProvider {
    private let source: AzureVaultTokenSource
    private let tokens: RefreshingCloudToken

    init(
        _ source: AzureVaultTokenSource, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.source = source
        tokens = RefreshingCloudToken(source, now: now)
    }

    func token() async throws(CloudError) -> Refreshed<CloudToken> { try await tokens.token() }

    /// The next token is the one that the response asks for: with more claims, or of another tenant.
    func recordDenial(of token: Refreshed<CloudToken>, by response: CloudResponse) -> Bool {
        source.follow(response.fields)
        return tokens.recordDenial(of: token, by: response)
    }

    func recordSuccess(of token: Refreshed<CloudToken>) { tokens.recordSuccess(of: token) }
}

/// Gets access tokens for one vault: asks the vault once which token it accepts, and then the credentials for one.
final class AzureVaultTokenSource: CloudTokenSource {
    private struct State {
        var challenge: AzureChallenge?
        var claims: JSONValue?
        /// Counts the demands for claims.
        var demands = 0
    }

    private let service: AzureKeyVaultService
    private let key: AzureKey
    private let client: CloudTokenClient
    private let credentials: AzureCredentials
    private let state = Locked(State())

    var name: String { "Azure credentials" }

    init(
        _ service: AzureKeyVaultService, key: AzureKey, transport: any HTTPTransport,
        credentials: AzureCredentials
    ) {
        self.service = service
        self.key = key
        self.credentials = credentials
        client = CloudTokenClient(name: service.name, transport: RetryingTransport(transport: transport))
    }

    func token() async throws(CloudError) -> CloudToken? {
        let challenge = try await challenge()
        let (claims, demands) = state.withLock { ($0.claims, $0.demands) }
        let token = try await credentials.token(
            for: AzureTokenRequest(resource: challenge.resource, tenant: challenge.tenant, claims: claims))
        // The demand is met. A demand that came meanwhile stays for the next token.
        state.withLock { state in
            if state.demands == demands { state.claims = nil }
        }
        return token
    }

    /// Notes which token a 401 asks for. A challenge of another service changes nothing.
    func follow(_ fields: HTTPFields) {
        if let claims = AzureChallenge.claims(in: fields) {
            state.withLock { state in
                state.claims = claims
                state.demands += 1
            }
        } else if let challenge = try? AzureChallenge(fields, from: service.vault) {
            state.withLock { $0.challenge = challenge }
        }
    }

    /// Returns the challenge at hand, or that of a request without a token.
    private func challenge() async throws(CloudError) -> AzureChallenge {
        if let challenge = state.withLock({ $0.challenge }) { return challenge }
        let request = HTTPClientRequest(
            url: "\(key.url)?api-version=\(AzureKeyManager.apiVersion)", fields: [.accept: "application/json"]
        )
        let response: CloudResponse
        do throws(HTTPError) {
            let (head, body) = try await client.transport.send(request)
            response = CloudResponse(head, body: body.bytes)
        } catch {
            let remedy = service.remedy(for: error).map { "; \($0)" } ?? ""
            throw CloudError(
                error.code == .cancelled ? .cancelled : error.isRetryable ? .unavailable : .misconfigured,
                "\(service.name): request failed: \(error)\(remedy)")
        }
        guard response.status == 401 else {
            guard !response.isSuccess else {
                throw CloudError(
                    .misconfigured,
                    "\(service.name) serves requests without an access token and is not Azure Key Vault; check the vault's "
                        + "URL")
            }
            throw service.error(
                for: response,
                to: CloudRequest(path: "", action: "a request without a token", resource: nil)
            ).asTokenError
        }
        let challenge = try AzureChallenge(response.fields, from: service.vault)
        state.withLock { $0.challenge = challenge }
        return challenge
    }
}
