import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import JSON
import Settings
import System

/// The short-lived token of a service account, which another identity may create.
///
/// Source: IAM Service Account Credentials reference, `generateAccessToken`; AIP-4117.
struct GoogleImpersonation: CloudTokenSource {
    let name: String
    private let source: any CloudTokenSource
    private let client: CloudTokenClient
    private let url: CloudURL
    private let scope: String
    private let delegates: [String]
    /// In seconds.
    private let lifetime: Int
    private let clock: ClientClock

    private static let maximumLifetime = 43_200

    /// - Parameter lifetime: In seconds. The default is an hour.
    init(
        _ file: GoogleCredentialsFile, of source: any CloudTokenSource, _ context: GoogleCredentialsContext,
        scope: String, lifetime: Int?
    ) throws(CloudError) {
        let delegates = (file["delegates"]?.elements ?? []).map { $0.string ?? "" }
        guard delegates.count <= 8, delegates.allSatisfy({ (1...512).contains($0.utf8.count) }) else {
            throw file.error("has delegates that are not names of service accounts")
        }
        guard lifetime.map({ (600...Self.maximumLifetime).contains($0) }) ?? true else {
            throw file.error(
                "has token_lifetime_seconds that are not a number from 600 to \(Self.maximumLifetime)")
        }
        self.init(
            name: file.name, of: source, url: try file.requireURL("service_account_impersonation_url"),
            context, scope: scope, delegates: delegates, lifetime: lifetime ?? 3600)
    }

    init(
        name: String, of source: any CloudTokenSource, url: CloudURL, _ context: GoogleCredentialsContext,
        scope: String, delegates: [String] = [], lifetime: Int = 3600
    ) {
        self.name = name
        self.source = source
        self.url = url
        client = context.client("\(name), impersonation")
        self.scope = scope
        self.delegates = delegates
        self.lifetime = lifetime
        clock = context.clock
    }

    func token() async throws(CloudError) -> CloudToken? {
        guard let token = try await source.token() else { return nil }
        let body: JSONValue = [
            "delegates": .array(delegates.map { .string($0) }), "scope": [.string(scope)],
            "lifetime": .string("\(lifetime)s"),
        ]
        let response = try await client.send(
            HTTPClientRequest(
                method: .post, url: url.text,
                fields: [.contentType: "application/json", .accept: "application/json"],
                secretFields: [.bearer(token.value)], body: .secret(SharedSecret(JSONWriter.write([body])))))
        let json = try? JSONValue(parsing: response.body.bytes)
        guard response.head.status.code == 200 else { throw error(response, GoogleAPIError(json)) }
        guard let text = json?["accessToken"]?.nonEmptySecret,
            let value = HeaderValue.visibleASCII(text.bytes)
        else { throw CloudError(.unavailable, "\(client.name): the response has no accessToken") }
        guard let expiration = json?["expireTime"]?.string.flatMap(RFC3339.date) else {
            throw CloudError(.unavailable, "\(client.name): the response has no expireTime")
        }
        let seconds = min(expiration.timeIntervalSince(clock.date()), OAuthTokenEndpoint.maximumLifetime)
        guard seconds >= 1 else {
            throw CloudError(
                .unavailable,
                "\(client.name): the token was already expired when it arrived; check this machine's clock")
        }
        return CloudToken(value: value, lifetime: .seconds(seconds))
    }

    private func error(_ response: CloudTokenClient.Response, _ error: GoogleAPIError?) -> CloudError {
        let status = response.head.status.code
        let code: CloudError.Code
        let remedy: String
        switch error?.status {
        case "PERMISSION_DENIED" where error?.reason == "SERVICE_DISABLED":
            (code, remedy) = (
                .misconfigured, "enable iamcredentials.googleapis.com in the service account's project"
            )
        case "PERMISSION_DENIED":
            (code, remedy) = (
                .accessDenied,
                "grant roles/iam.workloadIdentityUser (for a federated identity) or "
                    + "roles/iam.serviceAccountTokenCreator on the service account to the impersonating identity"
            )
        case "NOT_FOUND": (code, remedy) = (.misconfigured, "the service account does not exist")
        case "UNAUTHENTICATED":
            (code, remedy) = (.accessDenied, "the token of the impersonating identity is rejected")
        case _ where RetryingTransport.transientStatuses.contains(status):
            (code, remedy) = (.unavailable, "the request will be retried")
        default: (code, remedy) = (.misconfigured, "check the URL, the scopes and the lifetime")
        }
        return CloudError(
            code,
            "\(client.name): generateAccessToken fails with HTTP \(status) \(error?.description ?? "and no error of Google's"); "
                + remedy, retryAfter: response.head.fields.retryDelay, concernsAllRequests: true)
    }
}
