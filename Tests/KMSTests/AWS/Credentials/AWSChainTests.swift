import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// The order of the credentials sources, and the error if none has credentials.
@Suite(.timeLimit(.minutes(5)))
struct AWSChainTests {
    private static let keys = testCredentials("AKID", secret: "s", token: nil)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func error(_ sources: ScriptedSource...) async -> AWSCredentialsError? {
        await awsError { () throws(AWSCredentialsError) in
            try await AWSCredentialsChain(sources).credentials()
        }
    }

    @Test func usesTheFirstConfiguredSource() async throws {
        let first = ScriptedSource { _ in .success(nil) }
        let second = ScriptedSource { _ in .success(Self.keys) }
        let third = ScriptedSource { _ in .success(nil) }
        let chain = AWSCredentialsChain([first, second, third])
        #expect(try await chain.credentials()?.accessKeyID == "AKID")
        #expect(third.calls.elements.isEmpty)
    }

    @Test func queriesTheSourcesEachTime() async throws {
        let first = ScriptedSource { call in
            .success(call == 2 ? testCredentials("NEW", secret: "s", token: nil) : nil)
        }
        let second = ScriptedSource { _ in .success(Self.keys) }
        let chain = AWSCredentialsChain([first, second])
        #expect(try await chain.credentials()?.accessKeyID == "AKID")
        #expect(try await chain.credentials()?.accessKeyID == "NEW")
        #expect(try await chain.credentials()?.accessKeyID == "AKID")
    }

    @Test func aFailingSourceEndsTheSearch() async {
        let broken = AWSCredentialsError(.denied, "first: no")
        let second = ScriptedSource { _ in .success(Self.keys) }
        #expect(await error(ScriptedSource { _ in .failure(broken) }, second) == broken)
        #expect(second.calls.elements.isEmpty)
    }

    @Test func reportsThatNoSourceIsConfigured() async {
        let none = await error(
            ScriptedSource("one") { _ in .success(nil) }, ScriptedSource("two") { _ in .success(nil) })
        #expect(none?.code == .misconfigured)
        #expect(none?.message.hasPrefix("no AWS credentials are configured (one, two); on EKS, ") == true)
        let implicit = ScriptedSource("three", isImplicit: true) { _ in
            .failure(AWSCredentialsError(.unavailable, "three: away", retryAfter: .seconds(3)))
        }
        let away = await error(ScriptedSource("one") { _ in .success(nil) }, implicit)
        #expect(away?.code == .unavailable)
        #expect(away?.retryAfter == .seconds(3))
        #expect(
            away?.message.hasPrefix("no AWS credentials are configured (one), and three: away; on EKS, ")
                == true)
    }

    @Test func rejectsOneVariableOfAPair() async {
        for (settings, message) in [
            (["AWS_ACCESS_KEY_ID": "A"], "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"),
            (["AWS_SECRET_ACCESS_KEY": "A"], "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"),
        ] {
            let source = AWSEnvironmentCredentials(environment: Environment(settings))
            let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
            #expect(error?.code == .misconfigured)
            #expect(error?.message == "environment: \(message); set both, or unset both")
        }
    }

    @Test func readsARotatedWebIdentityToken() async throws {
        let service = try FakeTokenService()
        let file = try folder.write("token", "first\n")
        let environment = Environment([
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/sb", "AWS_WEB_IDENTITY_TOKEN_FILE": file,
            "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": service.url, "AWS_ROLE_SESSION_NAME": "me",
        ])
        let source = AWSWebIdentityCredentials(context: Self.context(environment))
        #expect(try await source.credentials()?.accessKeyID == "sb-of-first")
        try folder.write("token", "second")
        #expect(try await source.credentials()?.accessKeyID == "sb-of-second")
        #expect(service.requests.elements.map { $0["RoleSessionName"] } == ["me", "me"])
    }

    @Test(arguments: [
        (["AWS_ROLE_ARN": nil], "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"),
        (["AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"], "/nowhere: No such file"),
        (["AWS_WEB_IDENTITY_TOKEN_FILE": "/etc/passwd"], "/etc/passwd does not contain a token"),
        (["AWS_REGION": nil], "AWS_REGION is not set"),
        (["AWS_REGION": "EU!"], "AWS_REGION is not the name of a Region"),
        (["AWS_ROLE_ARN": "sb"], "the role is not of the form"), (["AWS_PROFILE": "z"], "AWS profile z"),
        (["AWS_ENDPOINT_URL_STS": "http://sts.example.com"], "AWS_ENDPOINT_URL_STS uses plain http"),
    ])
    func rejectsIncompleteWebIdentitySettings(_ change: [String: String?], _ problem: String) async throws {
        var settings: [String: String?] = [
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/sb", "AWS_REGION": "eu-central-1",
            "AWS_WEB_IDENTITY_TOKEN_FILE": try folder.write("token", "token"),
        ]
        settings.merge(change) { $1 }
        let source = AWSWebIdentityCredentials(
            context: Self.context(Environment(settings.compactMapValues { $0 })))
        let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    static func context(_ environment: Environment) -> AWSCredentialsContext {
        let services = CurlClient(HTTPClientConfiguration(proxy: .none))
        let local = CurlClient(LocalServices.configuration)
        return AWSCredentialsContext(environment, services: services, local: local)
    }

    /// Loopback is never proxied, so the address is one that only a proxy could serve.
    @Test func usesNoProxyForLocalServices() async throws {
        let proxy = try FakeServer.responding { _ in response(200, instanceCredentials("PROXY")) }
        var request = HTTPClientRequest(url: "http://192.0.2.1:9/v1/credentials")
        request.timeout = .milliseconds(200)
        for name in ["http_proxy", "all_proxy"] {
            let environment = [name: proxy.url]
            let local = CurlClient(LocalServices.configuration, environment: environment)
            await #expect(throws: HTTPError.self) { try await local.send(request, upTo: 1000) }
            let other = CurlClient(HTTPClientConfiguration(plainHTTP: .always), environment: environment)
            #expect(try await other.send(request, upTo: 1000).head.status == .ok)
        }
    }

    /// The new token is used, and no request is sent before the credentials expire.
    @Test func replacesCredentialsThatExpireDuringARun() async throws {
        let agent = try FakeContainerAgent(tokens: ["first", "second"])
        let environment = Environment([
            "HOME": folder.path, AWSContainerCredentials.fullURIVariable: agent.url,
            AWSContainerCredentials.tokenFileVariable: try folder.write("token", "first"),
        ])
        let passed = Locked(0.0)
        let start = ContinuousClock.now
        let provider = RefreshingAWSCredentials(
            AWSCredentialsChain(Self.context(environment)),
            clocks: .init(
                now: { start + .seconds(passed.withLock { $0 }) }, date: { Date() + passed.withLock { $0 } }))
        for _ in 0..<10 { #expect(try await provider.credentials().accessKeyID == "CONTAINER-first") }
        #expect(agent.requests.elements.count == 1)
        try folder.write("token", "second")
        agent.answer.withLock { $0 = response(200, instanceCredentials("LATER", 12 * 3600)) }
        passed.withLock { $0 += 6 * 3600 }
        #expect(try await provider.credentials().accessKeyID == "LATER")
        agent.answer.withLock { $0 = nil }
        #expect(agent.requests.elements.count == 2)
        // The agent fails once, and recovers.
        agent.answer.withLock { $0 = response(400) }
        passed.withLock { $0 += 6 * 3600 }
        let error = await awsError { () throws(AWSCredentialsError) in try await provider.credentials() }
        #expect(error?.code == .denied)
        agent.answer.withLock { $0 = response(200, instanceCredentials("BACK", 24 * 3600)) }
        passed.withLock { $0 += 60 }
        #expect(try await provider.credentials().accessKeyID == "BACK")
    }

    /// The chain of the program without any configuration.
    @Test func loadsTheProductionChain() async throws {
        let environment = ["HOME": folder.path, "AWS_EC2_METADATA_DISABLED": "true"]
        let provider = try RefreshingAWSCredentials.load(from: Environment(environment))
        let error = await awsError { () throws(AWSCredentialsError) in try await provider.credentials() }
        #expect(error?.code == .misconfigured)
        #expect(
            error?.message
                == "no AWS credentials are configured (environment, web identity, profile default, container, "
                + "instance metadata); on EKS, give the service account a role: the annotation "
                + "eks.amazonaws.com/role-arn (IRSA), which sets AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or a "
                + "pod identity association")
        #expect(throws: SettingError.self) {
            try RefreshingAWSCredentials.load(from: Environment(["SB_KMS_AWS_ALLOW_HTTP": "maybe"]))
        }
    }
}
