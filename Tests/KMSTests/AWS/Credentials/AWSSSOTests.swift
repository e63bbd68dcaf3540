import Cryptography
import Foundation
import HTTP
import HTTPTypes
import Settings
import TestSupport
import Testing

@testable import KMS

struct AWSSSOTests {
    private let folder: TemporaryFolder
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    init() throws { folder = try TemporaryFolder() }

    private func source(
        _ transport: FakeTransport, session: String? = "corp"
    ) throws -> AWSSSOCredentials {
        let section =
            "sso_start_url = https://corp.example/start\nsso_region = eu-west-1\n"
            + (session == nil ? "" : "[profile dev]\nsso_session = corp\n")
        let config =
            (session == nil ? "[profile dev]\n" : "[sso-session corp]\n") + section
            + "sso_account_id = 123456789012\nsso_role_name = Read Only\n"
        let file = try AWSConfigFile(path: "config", content: SecretBytes(copying: Array(config.utf8)))
        let profiles = try AWSProfiles(config: file, credentials: nil, selected: "dev")
        let profile = try #require(try profiles.profile("dev"))
        let signOn = try #require(try AWSSSOSettings(profile, profiles))
        return AWSSSOCredentials(
            name: "profile dev: IAM Identity Center", settings: signOn,
            tokenFile: AWSSSOToken.path(for: signOn, Environment(["HOME": folder.path])),
            client: AWSCredentialsClient(
                name: "profile dev: IAM Identity Center", transport: transport, attempts: 1,
                timeout: .seconds(5)),
            portalURL: "https://portal.sso.eu-west-1.amazonaws.com",
            oidcURL: "https://oidc.eu-west-1.amazonaws.com"
        ) { [now] in now }
    }

    private func path(_ name: String) throws -> String {
        ".aws/sso/cache/\(hex(try sha1(Array(name.utf8)))).json"
    }

    private func writeToken(_ seconds: Double, file: String = "corp", _ more: String = "") throws {
        let end = (now + seconds).formatted(.iso8601)
        try folder.write(
            path(file),
            #"{"startUrl":"https://corp.example/start","accessToken":"ACCESS1","expiresAt":"\#(end)"\#(more)}"#
        )
    }

    private static let renewal =
        #","clientId":"ID","clientSecret":"CLIENTSECRET","refreshToken":"REFRESH1","#
        + #""registrationExpiresAt":"2030-01-01T00:00:00Z""#

    private static let portal: @Sendable (FakeTransport.Request) -> FakeTransport.Response = { request in
        guard request.path == "/federation/credentials",
            request.query == ["account_id=123456789012", "role_name=Read%20Only"],
            let token = request.secrets.first?.value,
            request.secrets.first?.key.rawName == "x-amz-sso_bearer_token"
        else { return .init(404, "") }
        return .init(
            200,
            #"{"roleCredentials":{"accessKeyId":"AKID-\#(token)","secretAccessKey":"s","sessionToken":"t","#
                + #""expiration":1800003600000}}"#)
    }

    /// printf corp | sha1sum
    @Test func cachesTokensUnderTheNamesOfBotocore() throws {
        #expect(try path("corp") == ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json")
    }

    @Test func usesTheCachedToken() async throws {
        try writeToken(3600)
        let credentials = try await source(FakeTransport(Self.portal)).credentials()
        #expect(credentials?.accessKeyID == "AKID-ACCESS1")
        #expect(credentials?.expiration == now + 3600)
    }

    /// An HTML page of a proxy is not reported as a problem of the role or the sign-in.
    @Test(arguments: [401, 403, 503])
    func reportsAnHTMLPage(status: Int) async throws {
        try writeToken(3600)
        let source = try source(FakeTransport { _ in .init(status, "\n<html>Forbidden</html>") })
        let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
        #expect(error?.code == (status == 503 ? .unavailable : .misconfigured))
        #expect(
            error?.message.contains("responds instead of IAM Identity Center (HTTP \(status))") == true,
            "\(error?.message ?? "")")
        #expect(error?.message.contains("aws sso login") == false)
    }

    @Test func readsSettingsOfTheProfile() async throws {
        try writeToken(60, file: "https://corp.example/start")
        let transport = FakeTransport(Self.portal)
        #expect(try await source(transport, session: nil).credentials()?.accessKeyID == "AKID-ACCESS1")
        #expect(transport.requests.count == 1)
    }

    @Test func requiresALoginForAnExpiredOrMissingToken() async throws {
        let advice = "run: aws sso login --profile dev"
        let transport = FakeTransport(Self.portal)
        for (prepare, problem) in [
            ({}, "there is no cached sign-in"), ({ try writeToken(-1) }, "the sign-in has expired"),
            ({ _ = try folder.write(path("corp"), "{]") }, "there is no cached sign-in"),
        ] as [(() throws -> Void, String)] {
            try prepare()
            let source = try source(transport)
            let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
            #expect(error?.message == "profile dev: IAM Identity Center: \(problem); \(advice)")
            #expect(error?.code == .misconfigured)
        }
        #expect(transport.requests.isEmpty)
    }

    @Test(arguments: [(401, "run: aws sso login"), (403, "check that it is assigned"), (429, "HTTP 429")])
    func reportsErrorsOfThePortal(_ status: Int, _ expected: String) async throws {
        try writeToken(3600)
        let source = try source(FakeTransport { _ in .init(status, #"{"message":"SECRETTEXT"}"#) })
        let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
        #expect(error?.message.contains(expected) == true)
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    /// As in botocore, the new token is stored in the cache of all SDKs.
    @Test(arguments: [600.0, -600])
    func refreshesTheTokenAndStoresIt(_ remaining: Double) async throws {
        try writeToken(remaining, Self.renewal)
        let transport = FakeTransport { request in
            guard request.line == "POST /token" else { return Self.portal(request) }
            return .init(
                200,
                #"{"accessToken":"ACCESS2","tokenType":"Bearer","expiresIn":28800,"refreshToken":"REFRESH2"}"#
            )
        }
        #expect(try await source(transport).credentials()?.accessKeyID == "AKID-ACCESS2")
        let body = try #require(transport.requests.first?.body)
        #expect(
            try AnyJSON(body) == [
                "clientId": "ID", "clientSecret": "CLIENTSECRET", "grantType": "refresh_token",
                "refreshToken": "REFRESH1",
            ])
        let kept = try AnyJSON(Array(try folder.read(path("corp")).utf8))
        #expect(
            kept == [
                "startUrl": "https://corp.example/start", "accessToken": "ACCESS2",
                "expiresAt": .string((now + 28_800).formatted(.iso8601)), "clientId": "ID",
                "clientSecret": "CLIENTSECRET", "refreshToken": "REFRESH2",
                "registrationExpiresAt": "2030-01-01T00:00:00Z",
            ])
        let cache = "\(folder.path)/.aws/sso/cache"
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache).count == 1)
        let mode = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\(path("corp"))")[
            .posixPermissions]
        #expect(mode as? Int == 0o600)
        // The next time, the cached token is used.
        #expect(try await source(FakeTransport(Self.portal)).credentials()?.accessKeyID == "AKID-ACCESS2")
    }

    /// A token that is still valid is used even if it cannot be refreshed.
    @Test func requiresALoginAfterARejectedRefresh() async throws {
        let refusing = FakeTransport { request in
            request.line == "POST /token" ? .init(400, #"{"error":"invalid_grant"}"#) : Self.portal(request)
        }
        try writeToken(600, Self.renewal)
        #expect(try await source(refusing).credentials()?.accessKeyID == "AKID-ACCESS1")
        try writeToken(-600, Self.renewal)
        let ended = try source(refusing)
        let error = await awsError { () throws(AWSCredentialsError) in try await ended.credentials() }
        #expect(error?.message.contains("the sign-in has expired") == true)
        let away = try source(FakeTransport { _ in .init(503, "") })
        let outage = await awsError { () throws(AWSCredentialsError) in try await away.credentials() }
        #expect(outage?.code == .unavailable)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/.aws/sso/cache").count == 1)
    }
}
