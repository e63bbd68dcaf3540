import Cryptography
import Foundation
import System
import TestSupport
import Testing

@testable import KubeClient

/// An identity provider with discovery and a token endpoint.
private final class IdentityProvider: Sendable {
    struct Answer: Sendable {
        var status = "200 OK"
        var body: String
    }

    private let asked: Locked<[FakeRequest]>
    private let server: FakeServer

    var issuer: String { server.url }
    var requests: [FakeRequest] { asked.withLock { $0 } }
    var forms: [String] {
        requests.filter { $0.line.hasPrefix("POST") }.map { String(decoding: $0.body, as: UTF8.self) }
    }

    /// - Parameter answer: returns the token endpoint's response to its nth request.
    init(
        discovery: String? = nil, discoveryStatus: String = "200 OK",
        _ answer: @escaping @Sendable (Int, FakeRequest) -> Answer
    ) throws {
        let asked = Locked<[FakeRequest]>([])
        self.asked = asked
        server = try FakeServer.responding { request in
            let count = asked.withLock { asked in
                asked.append(request)
                return asked.count { $0.line.hasPrefix("POST") }
            }
            let host = request.field("host") ?? ""
            let body: String
            var status = discoveryStatus
            if request.line.hasPrefix("GET /.well-known/openid-configuration ") {
                body =
                    discovery
                    ?? "{\"issuer\": \"http://\(host)\", \"token_endpoint\": \"http://\(host)/token\"}"
            } else {
                let answer = answer(count, request)
                (status, body) = (answer.status, answer.body)
            }
            return
                "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
    }
}

/// The behaviour of client-go's plugin (plugin/pkg/client/auth/oidc), recorded with kubectl 1.32.
@Suite(.timeLimit(.minutes(5))) struct OIDCTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func token(_ claims: String) -> String {
        func part(_ text: String) -> String {
            Base64.encode(Array(text.utf8)).replacingOccurrences(of: "=", with: "")
                .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
        }
        return "\(part("{\"alg\":\"none\"}")).\(part(claims)).c2ln"
    }

    private func token(expiring seconds: Double, _ name: String = "me") -> String {
        token("{\"sub\": \"\(name)\", \"exp\": \(Int(Date().timeIntervalSince1970 + seconds))}")
    }

    private func source(_ config: String, issuer: String = "https://127.0.0.1:1") throws
        -> any CredentialSource
    {
        let user = """
            auth-provider: {name: oidc, config: {idp-issuer-url: "\(issuer)", client-id: app\(config.isEmpty ? "" : ", " + config)}}
            """
        return try load(folder.write("config", kubeconfig(user: user))).credentials
    }

    private func header(_ source: any CredentialSource) async throws -> String? {
        text(try await source.credential().authorization)
    }

    @Test func sendsAValidTokenWithoutARequest() async throws {
        let valid = token(expiring: 3600)
        let source = try source("id-token: \(valid), extra-scopes: 'email,groups'")
        #expect(try await header(source) == "Bearer \(valid)")
        // As in client-go, a 401 does not cause a refresh.
        let used = try await source.credential()
        await source.invalidate(used)
        #expect(try await source.credential().generation == used.generation)
    }

    @Test func refreshesAnExpiredToken() async throws {
        let fresh = token(expiring: 3600, "fresh")
        let provider = try IdentityProvider { _, _ in
            .init(body: "{\"id_token\": \"\(fresh)\", \"access_token\": \"a\"}")
        }
        // A token counts as expired ten seconds before its end.
        let source = try source(
            "id-token: \(token(expiring: 5)), refresh-token: 'r+/=&'", issuer: provider.issuer + "/")
        try await withThrowingTaskGroup { group in
            for _ in 0..<10 { group.addTask { try await header(source) } }
            for try await header in group { #expect(header == "Bearer \(fresh)") }
        }
        #expect(
            provider.requests.map(\.line) == [
                "GET /.well-known/openid-configuration HTTP/1.1", "POST /token HTTP/1.1",
            ])
        #expect(provider.forms == ["grant_type=refresh_token&refresh_token=r%2B%2F%3D%26&client_id=app"])
        #expect(try folder.read("config").contains("r+/=&"))
        #expect(try !folder.read("config").contains(fresh))
    }

    @Test func fetchesTheFirstToken() async throws {
        let fresh = token(expiring: 3600)
        let provider = try IdentityProvider { _, _ in .init(body: "{\"id_token\": \"\(fresh)\"}") }
        #expect(try await header(source("refresh-token: r", issuer: provider.issuer)) == "Bearer \(fresh)")
    }

    @Test func usesARotatedRefreshToken() async throws {
        let short = token(expiring: 1)
        let provider = try IdentityProvider { count, _ in
            .init(body: "{\"id_token\": \"\(short)\", \"refresh_token\": \"r\(count)\"}")
        }
        let source = try source("refresh-token: r0", issuer: provider.issuer)
        for _ in 0..<3 { _ = try await source.credential() }
        #expect(
            provider.forms.map { $0.contains("refresh_token=r0&") ? 0 : $0.contains("=r1&") ? 1 : 2 } == [
                0, 1, 2,
            ])
    }

    /// As in Go's oauth2, the secret is sent in a header, and in the body of a second request if the first is refused.
    @Test func sendsTheClientSecretInTheHeaderThenInTheBody() async throws {
        let fresh = token(expiring: 3600)
        let provider = try IdentityProvider { count, _ in
            count == 1
                ? .init(status: "401 Unauthorized", body: "{\"error\": \"invalid_client\"}")
                : .init(body: "{\"id_token\": \"\(fresh)\"}")
        }
        let source = try source("refresh-token: r, client-secret: 's:1'", issuer: provider.issuer)
        #expect(try await header(source) == "Bearer \(fresh)")
        let posts = provider.requests.filter { $0.line.hasPrefix("POST") }
        #expect(posts.map { $0.field("authorization") } == ["Basic \(base64("app:s%3A1"))", nil])
        #expect(
            provider.forms == [
                "grant_type=refresh_token&refresh_token=r",
                "grant_type=refresh_token&refresh_token=r&client_id=app&client_secret=s%3A1",
            ])
    }

    @Test(arguments: [
        ("200 OK", "{}", "/token returned no id_token for the refresh-token"),
        ("200 OK", "{\"id_token\": \"s3cret\"}", "/token is not a JSON Web Token; log in again"),
        ("200 OK", "s3cret", "/token returned no id_token for the refresh-token"),
        (
            "400 Bad Request", "{\"error\": \"invalid_grant\", \"error_description\": \"s3cret\"}",
            "/token returned status 400 (invalid_grant) for the refresh-token; it is expired, revoked, already used or for another client: log in again"
        ),
        ("500 Oops", "{\"error\": \"a\\nb\"}", "returned status 500 (a\\nb) for the refresh-token"),
        ("302 Found", "", "returned status 302 for the refresh-token"),
    ])
    func reportsFailingTokenEndpoints(status: String, body: String, message: String) async throws {
        let provider = try IdentityProvider { _, _ in .init(status: status, body: body) }
        try await expect(message, source("refresh-token: s3cret", issuer: provider.issuer))
    }

    @Test(arguments: [
        ("200 OK", "{}", "names no token_endpoint; correct idp-issuer-url"),
        ("200 OK", "<html>", "names no token_endpoint; correct idp-issuer-url"),
        (
            "404 Not Found", "{}",
            "/.well-known/openid-configuration returned status 404; correct idp-issuer-url"
        ),
        (
            "200 OK", "{\"token_endpoint\": \"http://idp.example/token\"}",
            "plain http is not allowed for this host; use https"
        ),
        ("200 OK", "{\"token_endpoint\": \"file:///etc/passwd\"}", "cannot refresh the id-token: "),
    ])
    func reportsFailingDiscovery(status: String, body: String, message: String) async throws {
        let provider = try IdentityProvider(discovery: body, discoveryStatus: status) { _, _ in
            .init(body: "{}")
        }
        try await expect(message, source("refresh-token: s3cret", issuer: provider.issuer))
    }

    /// Any number can be the date in a token.
    @Test(arguments: ["1e308", "9223372036854775807", "1e18"])
    func keepsATokenThatExpiresInTheFarFuture(date: String) async throws {
        let token = token("{\"exp\": \(date)}")
        #expect(try await header(source("id-token: \(token)")) == "Bearer \(token)")
    }

    @Test func aTokenThatExpiredInTheFarPastIsRefreshed() async throws {
        try await expect(
            "the id-token has expired or is missing", source("id-token: \(token("{\"exp\": -1e308}"))"))
    }

    @Test func reportsMissingRefreshTokens() async throws {
        try await expect(
            "the id-token has expired or is missing, and there is no refresh-token; log in again",
            source("id-token: \(token(expiring: -1))"))
        try await expect("there is no refresh-token; log in again", source("id-token: \(token("{}"))"))
        try await expect("cannot refresh the id-token: ", source("refresh-token: s3cret"))
    }

    private func expect(_ message: String, _ source: any CredentialSource) async throws {
        let line = try #require(
            await refusal { () throws(ConfigurationError) in _ = try await source.credential() })
        #expect(line.contains(message), "\(line)")
        #expect(line.hasPrefix("\(folder.path)/config: users[\"u\"].user.auth-provider: "), "\(line)")
        #expect(!line.contains("s3cret"))
        #expect(!line.contains("\n"))
    }

    @Test(arguments: [
        ("auth-provider: {name: oidc}", "auth-provider.config.idp-issuer-url is missing; add it"),
        ("auth-provider: {name: oidc, config: {client-id: a}}", "config.idp-issuer-url is missing; add it"),
        (
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i'}}",
            "config.client-id is missing; add it"
        ),
        (
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i', client-id: a, id-token: s3cret}}",
            "auth-provider: the id-token is not a JSON Web Token; log in again"
        ),
        (
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i', client-id: a, id-token: a.b.c}}",
            "auth-provider: the id-token is not a JSON Web Token; log in again"
        ),
        (
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i', client-id: a, idp-certificate-authority-data: AAAA}}",
            "config.idp-certificate-authority-data holds no PEM certificate"
        ),
        (
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i', client-id: a, idp-certificate-authority: /no/ca}}",
            "/no/ca: cannot be read (No such file or directory)"
        ),
        (
            "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}, auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i', client-id: a}}",
            "auth-provider and exec exclude each other; remove one"
        ),
    ])
    func rejectsInvalidSettings(user: String, message: String) async throws {
        let file = try folder.write("config", kubeconfig(user: user))
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message), "\(line)")
        #expect(line.contains(file), "\(line)")
        #expect(!line.contains("s3cret"))
        #expect(!line.contains("\n"))
    }

    @Test func prefersATokenToTheProvider() async throws {
        let user =
            "token: t, auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i', client-id: a}}"
        let source = try load(folder.write("config", kubeconfig(user: user))).credentials
        #expect(try await header(source) == "Bearer t")
    }

    @Test(
        arguments: [
            ("{\"exp\": 1700000000}", 1_700_000_000), ("{\"exp\": 1.7e9}", 1_700_000_000),
            ("{\"exp\": null}", 0), ("{}", 0),
            ("{\"exp\": \"1700000000\"}", nil), ("[]", nil), ("{\"exp\": ", nil), ("", nil),
        ] as [(String, Double?)])
    func readsTheExpirationOfAToken(claims: String, seconds: Double?) {
        let token = SecretBytes(copying: token(claims).utf8)
        #expect(JSONWebToken.expiration(of: token)?.timeIntervalSince1970 == seconds)
        #expect(JSONWebToken.expiration(of: SecretBytes(copying: "a.b".utf8)) == nil)
    }
}
