import Cryptography
import HTTP
import HTTPTypes
import JSON
import System

/// Obtains a new id-token for a refresh-token: discovery at the issuer, then a request to its token endpoint. Sends two or
/// three requests, each with a timeout and a limit for its response.
///
/// Sources: OpenID Connect Discovery 1.0, 4; OpenID Connect Core 1.0, 12; RFC 6749, 2.3.1 and 6.
final class OIDCTokenRefresher: Sendable {
    private let provider: OIDCProvider
    private let transport: any HTTPTransport
    /// A provider may replace the token with each use.
    private let refreshToken: Locked<SharedSecret?>

    static let maximumResponseSize = 1 << 20
    static let timeout = Duration.seconds(15)

    init(_ provider: OIDCProvider, transport: any HTTPTransport) {
        self.provider = provider
        self.transport = transport
        refreshToken = Locked(provider.refreshToken)
    }

    func refresh() async throws(ConfigurationError) -> RenewableCredential.Issued {
        guard let refreshToken = refreshToken.withLock({ $0 }) else {
            throw provider.error(
                "the id-token has expired or is missing, and there is no refresh-token; log in again")
        }
        let endpoint = try await tokenEndpoint()
        let response = try await tokens(from: endpoint, for: refreshToken)
        guard let idToken = text("id_token", of: response) else {
            throw provider.error(
                "\(endpoint) returned no id_token for the refresh-token; log in with the scope openid, or use the exec "
                    + "plugin kubelogin (kubectl oidc-login)")
        }
        let issued = try provider.issued(idToken, "id_token of \(endpoint)")
        if let next = text("refresh_token", of: response) { self.refreshToken.withLock { $0 = next } }
        return issued
    }

    private func tokenEndpoint() async throws(ConfigurationError) -> String {
        var issuer = provider.issuer
        if issuer.hasSuffix("/") { issuer.removeLast() }
        let url = "\(issuer)/.well-known/openid-configuration"
        let (status, metadata) = try await send(HTTPClientRequest(url: url, timeout: Self.timeout))
        guard status == 200 else {
            throw provider.error("\(url) returned status \(status); correct idp-issuer-url")
        }
        guard let endpoint = metadata?["token_endpoint"]?.string, !endpoint.isEmpty else {
            throw provider.error("\(url) names no token_endpoint; correct idp-issuer-url")
        }
        return endpoint
    }

    /// Exchanges the refresh-token. As in Go's oauth2, the client's secret is sent in a header first, and in the body to
    /// servers that refuse the header.
    private func tokens(
        from endpoint: String, for refreshToken: SharedSecret
    ) async throws(ConfigurationError) -> JSONValue {
        let isConfidential = provider.clientSecret != nil
        var response = try await request(endpoint, refreshToken, inHeader: isConfidential)
        if isConfidential, response.status == 400 || response.status == 401,
            code(response.body) != "invalid_grant"
        {
            response = try await request(endpoint, refreshToken, inHeader: false)
        }
        guard response.status == 200 else {
            let code = code(response.body).map { " (\($0.truncated(toUTF8: 64)))" } ?? ""
            let isRefused = response.status == 400 || response.status == 401
            throw provider.error(
                "\(endpoint) returned status \(response.status)\(code) for the refresh-token"
                    + (isRefused
                        ? "; it is expired, revoked, already used or for another client: log in again" : ""))
        }
        return response.body ?? .null
    }

    private func code(_ body: JSONValue?) -> String? { body?["error"]?.string }

    private func request(
        _ endpoint: String, _ refreshToken: SharedSecret, inHeader: Bool
    ) async throws(ConfigurationError) -> (status: Int, body: JSONValue?) {
        var form = SecretBuffer(capacity: refreshToken.count * 3 + 256)
        form.append("grant_type=refresh_token&refresh_token=")
        refreshToken.bytes.withUnsafeBytes { form.appendPercentEncoded($0) }
        var fields: [HTTPClientRequest.SecretField] = []
        if inHeader, let secret = provider.clientSecret {
            var password = SecretBuffer(capacity: secret.count * 3)
            secret.bytes.withUnsafeBytes { password.appendPercentEncoded($0) }
            let header = AuthorizationHeader.basic(
                user: percentEncoded(provider.clientID), password: password.finish())
            fields.append(.init(name: .authorization, value: header))
        } else {
            form.append("&client_id=")
            form.append(Array(percentEncoded(provider.clientID).utf8))
            if let secret = provider.clientSecret {
                form.append("&client_secret=")
                secret.bytes.withUnsafeBytes { form.appendPercentEncoded($0) }
            }
        }
        return try await send(
            HTTPClientRequest(
                method: .post, url: endpoint,
                fields: [.contentType: "application/x-www-form-urlencoded", .accept: "application/json"],
                secretFields: fields, body: .secret(SharedSecret(form.finish())), timeout: Self.timeout))
    }

    private func send(
        _ request: HTTPClientRequest
    ) async throws(ConfigurationError) -> (status: Int, body: JSONValue?) {
        do throws(HTTPError) {
            let (head, body) = try await transport.sendCollectingSecret(
                request, upTo: Self.maximumResponseSize)
            return (head.status.code, try? JSONValue(parsing: body.bytes))
        } catch {
            throw provider.error("cannot refresh the id-token: \(error)")
        }
    }

    private func text(_ key: String, of response: JSONValue) -> SharedSecret? {
        response[key]?.secret.flatMap { $0.count > 0 ? $0 : nil }
    }
}
