import Cryptography
import HTTP
import HTTPTypes
import System
import YAML

/// Gets a new id-token for a refresh-token: discovery at the issuer, then a request to its token endpoint. Two or three
/// requests, each with a deadline and a limit to its response.
///
/// Sources: OpenID Connect Discovery 1.0, 4; OpenID Connect Core 1.0, 12; RFC 6749, 2.3.1 and 6.
final class OIDCTokenRefresher: Sendable {
    private let provider: OIDCProvider
    private let transport: any HTTPTransport
    /// Providers may replace it with each use.
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
                "the id-token has expired or is missing, and there is no refresh-token to get another")
        }
        let endpoint = try await tokenEndpoint()
        let response = try await tokens(from: endpoint, for: refreshToken)
        guard let idToken = text("id_token", of: response) else {
            throw provider.error(
                "\(endpoint) gave no id_token for the refresh-token; log in with the scope openid, or use the exec plugin "
                    + "kubelogin (kubectl oidc-login)")
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
            throw provider.error("\(url) answered with status \(status); correct idp-issuer-url")
        }
        guard let endpoint = metadata?["token_endpoint"]?.string, !endpoint.isEmpty else {
            throw provider.error("\(url) names no token_endpoint; correct idp-issuer-url")
        }
        return endpoint
    }

    /// As Go's oauth2 does, the client's secret is sent in a header first, and in the body to servers that refuse that.
    private func tokens(
        from endpoint: String, for refreshToken: SharedSecret
    ) async throws(ConfigurationError) -> YAMLNode {
        let isConfidential = provider.clientSecret != nil
        var response = try await request(endpoint, refreshToken, inHeader: isConfidential)
        if isConfidential, response.status == 400 || response.status == 401,
            code(response.body) != "invalid_grant"
        {
            response = try await request(endpoint, refreshToken, inHeader: false)
        }
        guard response.status == 200, let body = response.body else {
            let code = code(response.body).map { " (\($0.truncated(toUTF8: 64)))" } ?? ""
            let isRefused = response.status == 400 || response.status == 401
            throw provider.error(
                "\(endpoint) answered the refresh-token with status \(response.status)\(code)"
                    + (isRefused ? "; it is expired, revoked, used up or another client's" : ""))
        }
        return body
    }

    private func code(_ body: YAMLNode?) -> String? { body?["error"]?.string }

    private func request(
        _ endpoint: String, _ refreshToken: SharedSecret, inHeader: Bool
    ) async throws(ConfigurationError) -> (status: Int, body: YAMLNode?) {
        var form = SecretBuffer(capacity: refreshToken.count * 3 + 256)
        form.append("grant_type=refresh_token&refresh_token=")
        form.appendPercentEncoded(refreshToken)
        var fields: [HTTPClientRequest.SecretField] = []
        if inHeader, let secret = provider.clientSecret {
            var password = SecretBuffer(capacity: secret.count * 3)
            password.appendPercentEncoded(secret)
            let header = AuthorizationHeader.basic(
                user: percentEncoded(provider.clientID), password: password.finish())
            fields.append(.init(name: .authorization, value: header))
        } else {
            form.append("&client_id=")
            form.append(Array(percentEncoded(provider.clientID).utf8))
            if let secret = provider.clientSecret {
                form.append("&client_secret=")
                form.appendPercentEncoded(secret)
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
    ) async throws(ConfigurationError) -> (status: Int, body: YAMLNode?) {
        do throws(HTTPError) {
            let (head, body) = try await transport.sendCollectingSecret(
                request, upTo: Self.maximumResponseSize)
            let documents = try? YAMLReader.documents(in: body.bytes, source: "response")
            return (head.status.code, documents?.count == 1 ? documents?.first : nil)
        } catch {
            throw provider.error("cannot refresh the id-token: \(error)")
        }
    }

    private func text(_ key: String, of response: YAMLNode) -> SharedSecret? {
        guard let scalar = response[key]?.scalar, scalar.valueType == .string, scalar.bytes.count > 0 else {
            return nil
        }
        return scalar.bytes
    }
}

extension SecretBuffer {
    /// All but the unreserved characters of RFC 3986, without a copy in ordinary memory.
    fileprivate mutating func appendPercentEncoded(_ secret: SharedSecret) {
        let digits = Array("0123456789ABCDEF".utf8)
        secret.bytes.withUnsafeBytes { bytes in
            for byte in bytes {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                    UInt8(ascii: "_"), UInt8(ascii: "~"):
                    append(byte)
                default:
                    append("%")
                    append(digits[Int(byte >> 4)])
                    append(digits[Int(byte & 15)])
                }
            }
        }
    }
}
