import Envelope
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// Responses of a proxy before Vault, or of another server in its place.
struct NonVaultResponseTests {
    private func failure(_ response: FakeTransport.Response) async throws -> (KeyManagerError?, requests: Int)
    {
        let transport = FakeTransport { _ in response }
        let manager = try transitKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(sampleRecipient, for: sampleBinding)
        }
        return (error, transport.requests.count)
    }

    /// The request is not sent to the target; the message names the setting that leads there.
    @Test(arguments: [
        (
            301, "https://vault.example.com/v1/transit/decrypt/sb-wrap",
            "set SB_KMS_VAULT_ADDR to https://vault.example.com"
        ),
        (
            302, "https://vault.example.com:8200/v1/transit/decrypt/sb-wrap",
            "set SB_KMS_VAULT_ADDR to https://vault.example.com:8200"
        ),
        (
            307, "https://active:8200/v1/transit/decrypt/sb-wrap",
            "set SB_KMS_VAULT_ADDR to https://active:8200, or to a load balancer"
        ),
        (
            308, "https://other/vault/v1/transit/decrypt/sb-wrap",
            "set SB_KMS_VAULT_ADDR to https://other/vault"
        ),
        (301, "//other/v1/transit/decrypt/sb-wrap", "set SB_KMS_VAULT_ADDR to https://other"),
        (308, "/vault/v1/transit/decrypt/sb-wrap", "set SB_KMS_VAULT_ADDR to https://vault:8200/vault"),
        (
            302, "https://login.example.com/sso?state=CANARY&x=1#CANARY",
            "redirects to https://login.example.com/sso (HTTP 302)"
        ),
        (302, "/ui/login?CANARY", "redirects to https://vault:8200/ui/login (HTTP 302)"),
        (302, "https://user:CANARY@login.example.com/", "redirects to https://login.example.com/ (HTTP 302)"),
        (303, "https://login.example.com/", "let requests for /v1/ pass"),
        (301, "https://h/" + String(repeating: "x", count: 9000), "xxx…"),
        (301, "", "standby"), (307, "https://vault:8200/v1/transit/decrypt/sb-wrap", "standby"),
    ])
    func reportsARedirectWithItsRemedy(status: Int, location: String, expected: String) async throws {
        let (error, requests) = try await failure(.init(status, "", fields: [.location: location]))
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("CANARY") == false)
        #expect(isOneLine(error?.message ?? "\n"))
        #expect((error?.message.utf8.count ?? 0) < 600)
        #expect(requests == (location.hasPrefix("https://vault:8200/v1") ? 3 : 1))
        #expect(error?.code == (status == 307 || location.isEmpty ? .unavailable : .misconfigured))
    }

    /// The proxy ends TLS and does not send X-Forwarded-Proto.
    @Test(arguments: [301, 307])
    func reportsARedirectToPlainHTTPAsAnErrorOfTheProxy(status: Int) async throws {
        let location = "http://vault.example.com/v1/transit/decrypt/sb-wrap"
        let (error, _) = try await failure(.init(status, "", fields: [.location: location]))
        let message = error?.message ?? ""
        #expect(error?.code == .misconfigured)
        #expect(message.contains("that is plain http"), "\(message)")
        #expect(message.contains("correct the proxy before Vault"), "\(message)")
        #expect(!message.contains("set SB_KMS_VAULT_ADDR"))
    }

    @Test(arguments: [
        "Client sent an HTTP request to an HTTPS server.\n",
        "<html><title>400 The plain HTTP request was sent to HTTPS port</title>",
    ])
    func recognisesAPortForTLS(body: String) async throws {
        let (error, _) = try await failure(.init(400, body))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("speaks TLS") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("use https:// in SB_KMS_VAULT_ADDR") == true)
    }

    @Test(arguments: [
        "https://h/a\u{1B}[2J\u{202E}b", "https://h/\r\nX: y",
        "https://h/" + String(repeating: "é", count: 500), "://", "https://",
        "https://@", "?", "#x", "//", "https://[::1", "http:/x", "javascript:alert(1)",
    ])
    func ignoresInvalidLocations(location: String) throws {
        let origin = try #require(ServerAddress("https://vault:8200"))
        let redirect = VaultRedirect(location, from: origin, path: "transit/decrypt/sb-wrap")
        #expect(isOneLine(redirect?.displayURL ?? ""))
        #expect((redirect?.displayURL.utf8.count ?? 0) < 300)
        #expect(redirect?.vaultAddress == nil)
    }

    /// No policy of Vault denied the request: the message names none, and the token is kept.
    @Test(arguments: [
        ("<html>403 Forbidden</html>", "cloudflare", "cloudflare"), ("", "awselb/2.0", "awselb/2.0"),
        (#"{"message":"Forbidden"}"#, nil, "a proxy, a firewall or a login page"),
        (#"{"errors":[{"status":403,"message":"Forbidden"}]}"#, "Artifactory/7", "Artifactory/7"),
        (#"{"errors":"no"}"#, nil, "a proxy"), (#"{"error":"no"}"#, "a\u{85}b", "is not Vault"),
        (
            #"{"kind":"Status","apiVersion":"v1","status":"Failure","code":403}"#, nil,
            "a Kubernetes API server"
        ),
        ("<html>", String(repeating: "s", count: 5000), "sss…"),
    ])
    func attributesAForbiddenToItsSender(body: String, server: String?, expected: String) async throws {
        var fields: HTTPFields = [:]
        if let server { fields.append(.init(name: .server, lenientValue: server.utf8)) }
        for status in [401, 403] {
            let (error, requests) = try await failure(.init(status, body, fields: fields))
            #expect(error?.code == .misconfigured)
            #expect(
                error?.message.contains("is not Vault (HTTP \(status))") == true, "\(error?.message ?? "")")
            #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains("capabilities") == false)
            #expect(error?.message.contains("token") == false)
            #expect(isOneLine(error?.message ?? "\n"))
            #expect((error?.message.utf8.count ?? 0) < 600)
            #expect(requests == 1)
        }
    }

    @Test(arguments: [
        (429, KeyManagerError.Code.throttled, "is not Vault"), (501, .unavailable, "or a proxy before it"),
        (503, .unavailable, "or a proxy before it"), (472, .misconfigured, "is not Vault"),
        (407, .misconfigured, "HTTPS_PROXY"),
        (412, .misconfigured, "is not Vault"), (413, .misconfigured, "is not Vault"),
    ])
    func attributesOtherStatusesToTheProxy(status: Int, code: KeyManagerError.Code, expected: String)
        async throws
    {
        let (error, _) = try await failure(
            .init(status, "<html>", fields: [.server: "nginx", .retryAfter: "7"]))
        #expect(error?.code == code)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("initialise") == false)
        #expect(error?.message.contains("sys/quotas") == false)
        #expect(error?.retryAfter == (status == 429 ? .seconds(7) : nil))
    }

    @Test func distinguishesALoginRejectedByAProxyFromOneRejectedByVault() async throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("token", "a.b.c")
        for (body, isVault) in [("<html>", false), (#"{"errors":["permission denied"]}"#, true)] {
            let login = VaultLoginTokenSource(
                .kubernetes(role: "sb", token: .file(file)), mount: "kubernetes",
                client: VaultClient(
                    try vaultEndpoint(),
                    transport: FakeTransport { _ in .init(403, body, fields: [.server: "envoy"]) }))
            let error = await #expect(throws: VaultError.self) { _ = try await login.token() }
            #expect(error?.code == (isVault ? .loginRejected : .misconfigured))
            #expect(error?.message.contains("envoy") == !isVault)
        }
    }
}
