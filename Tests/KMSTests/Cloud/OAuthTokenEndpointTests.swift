import Concurrency
import Cryptography
import Foundation
import HTTP
import HTTPTypes
import TestSupport
import Testing

@testable import KMS

struct OAuthTokenEndpointTests {
    private func endpoint(_ transport: any HTTPTransport) throws -> OAuthTokenEndpoint {
        let retrying = RetryingTransport(
            transport: transport, backoff: Backoff(base: .zero, maximum: .milliseconds(1)))
        return OAuthTokenEndpoint(
            client: CloudTokenClient(name: "test", transport: retrying, remedy: "check the proxy"),
            url: try #require(CloudURL("https://token.example/token")))
    }

    private func token(_ transport: any HTTPTransport) async throws -> Result<CloudToken, CloudError> {
        var form = FormBody()
        form.append("grant_type", "client credentials/+&=é")
        form.append("secret", SharedSecret(copying: "a b%".utf8))
        let endpoint = try endpoint(transport)
        do throws(CloudError) {
            return .success(try await endpoint.token(form))
        } catch {
            return .failure(error)
        }
    }

    private func token(_ response: FakeTransport.Response) async throws -> Result<CloudToken, CloudError> {
        try await token(FakeTransport { _ in response })
    }

    @Test func postsAForm() async throws {
        let transport = FakeTransport { _ in .token("ya29.x") }
        let token = try await token(transport).get()
        #expect(token.value.text == "ya29.x")
        #expect(token.lifetime == .seconds(3600))
        let sent = try #require(transport.requests.first)
        #expect(sent.line == "POST /token")
        #expect(sent.fields[.contentType] == "application/x-www-form-urlencoded")
        #expect(sent.form == ["grant_type": "client credentials/+&=é", "secret": "a b%"])
    }

    /// Azure's metadata service sends all numbers as strings.
    @Test func readsNumbersInStrings() async throws {
        let response = FakeTransport.Response.json([
            "access_token": "t", "expires_in": "86399", "refresh_in": "43199", "token_type": "bearer",
        ])
        let token = try await token(response).get()
        #expect(token.lifetime == .seconds(86_399))
        #expect(token.refreshAfter == .seconds(43_199))
    }

    @Test(arguments: [
        (#"{"expires_in":1}"#, "has no access_token"), (#"{"access_token":"t"}"#, "has no expires_in"),
        (#"{"access_token":"t","expires_in":0}"#, "has no expires_in"),
        (#"{"access_token":"t","expires_in":-5}"#, "has no expires_in"),
        (#"{"access_token":"t","expires_in":"soon"}"#, "has no expires_in"),
        (#"{"access_token":"a\nb","expires_in":1}"#, "has no access_token"),
        (#"{"access_token":"t","expires_in":1,"token_type":"mac"}"#, "not a bearer token"),
        ("[]", "not a JSON object"), ("<html>", "not a JSON object"),
    ])
    func rejectsAMalformedResponse(body: String, problem: String) async throws {
        guard case .failure(let error) = try await token(.init(200, body)) else {
            Issue.record("served")
            return
        }
        #expect(error.message.contains(problem), "\(error)")
    }

    @Test(arguments: [
        (400, "invalid_grant", CloudError.Code.accessDenied, 1), (401, "invalid_client", .accessDenied, 1),
        (400, "unauthorized_client", .accessDenied, 1), (403, "access_denied", .accessDenied, 1),
        (400, "invalid_request", .misconfigured, 1), (400, "invalid_scope", .misconfigured, 1),
        (400, "invalid_target", .misconfigured, 1), (400, "unsupported_grant_type", .misconfigured, 1),
        (400, "temporarily_unavailable", .unavailable, 3), (400, "server_error", .unavailable, 3),
        (500, "whatever", .unavailable, 3), (503, "invalid_grant", .unavailable, 3),
        (429, "slow_down", .unavailable, 3),
    ])
    func mapsErrorsOfTheEndpoint(
        status: Int, name: String, code: CloudError.Code, attempts: Int
    ) async throws {
        let transport = FakeTransport { _ in
            .json(["error": .string(name), "error_description": "canary\nof the request"], status)
        }
        guard case .failure(let error) = try await token(transport) else {
            Issue.record("served")
            return
        }
        #expect(error.code == code)
        #expect(error.message.contains(name))
        #expect(!error.message.contains("canary"))
        #expect(error.concernsAllRequests)
        #expect(transport.requests.count == attempts)
    }

    @Test func namesTheCodesOfMicrosoftEntra() async throws {
        let response = FakeTransport.Response.json(
            ["error": "invalid_client", "error_codes": [7_000_215, 700_016]], 401)
        guard case .failure(let error) = try await token(response) else {
            Issue.record("served")
            return
        }
        #expect(error.message.contains("HTTP 401 invalid_client (AADSTS7000215, AADSTS700016)"))
    }

    @Test(arguments: [(404, CloudError.Code.misconfigured), (403, .misconfigured), (502, .unavailable)])
    func mapsResponsesThatAreNoErrorsOfOAuth(status: Int, code: CloudError.Code) async throws {
        guard case .failure(let error) = try await token(.init(status, "<html>canary</html>")) else {
            Issue.record("served")
            return
        }
        #expect(error.code == code)
        #expect(!error.message.contains("canary"))
    }

    @Test func doesNotShowAnErrorCodeOfUnsafeForm() async throws {
        guard case .failure(let error) = try await token(.json(["error": "canary\u{1B}[2J"], 400)) else {
            Issue.record("served")
            return
        }
        #expect(!error.message.contains("canary"))
    }

    /// A short delay is waited for; a longer one is left to the caller.
    @Test func leavesALongRetryAfterToTheCaller() async throws {
        let transport = FakeTransport { _ in .init(429, "", fields: [.retryAfter: "30"]) }
        guard case .failure(let error) = try await token(transport) else {
            Issue.record("served")
            return
        }
        #expect(error.retryAfter == .seconds(30))
        #expect(transport.requests.count == 1)
    }

    @Test func repeatsATransferThatFails() async throws {
        let transport = FakeTransport(script: [
            .init(200, chunks: [], end: .failure(HTTPError(.connectionClosed, activity: "POST"))),
            .token("t"),
        ])
        #expect(try await token(transport).get().value.text == "t")
    }
}

struct CloudURLTests {
    @Test(arguments: [
        "https://sts.googleapis.com/v1/token", "http://127.0.0.1:8080/token", "http://localhost/x?y=z",
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken",
        "https://[::1]:8443/token", "HTTPS://Host.example/Path",
    ])
    func acceptsURLsOfServices(text: String) {
        #expect(CloudURL(text) != nil)
    }

    @Test(arguments: [
        "", "token", "ftp://host/x", "http://sts.example/token", "http://127.0.0.1.example/", "https://",
        "https://user@host/", "https://host:99999/", "https://host/a b", "https://host/#f",
        "https://host\\@evil/",
        "https://host/\u{0}", "https://h\u{f6}st/", "http://169.254.169.254/token",
    ])
    func rejectsOthers(text: String) {
        #expect(CloudURL(text) == nil)
    }

    @Test func allowsPlainHTTPToLinkLocalAddressesOnRequest() {
        #expect(CloudURL("http://169.254.169.254/x?y", plainHTTP: .loopbackOrLinkLocal) != nil)
        #expect(CloudURL("http://169.254.169.254:80/x", plainHTTP: .loopbackOrLinkLocal) != nil)
        #expect(CloudURL("http://169.254.example/x", plainHTTP: .loopbackOrLinkLocal) == nil)
        #expect(CloudURL("http://10.0.0.1/x", plainHTTP: .loopbackOrLinkLocal) == nil)
    }

    @Test func addsTheSlashOfAnEmptyPath() {
        #expect(CloudURL("https://host")?.text == "https://host/")
        #expect(CloudURL("https://host?a=b")?.text == "https://host/?a=b")
    }
}
