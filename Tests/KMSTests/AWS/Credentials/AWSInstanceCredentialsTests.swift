import Foundation
import HTTP
import Settings
import System
import TestSupport
import Testing

@testable import KMS

@Suite(.timeLimit(.minutes(5)))
struct AWSInstanceCredentialsTests {
    private static let local = CurlClient(LocalServices.configuration)
    private static let folder = "/latest/meta-data/iam/security-credentials/"
    private let passed = Locked(0.0)
    private let start = ContinuousClock.now

    private func source(
        _ url: String, timeout: Duration = .seconds(30), _ settings: [String: String] = [:]
    ) -> AWSInstanceCredentials {
        let environment = Environment(settings.merging([AWSInstanceMetadata.endpointVariable: url]) { $1 })
        let metadata = AWSInstanceMetadata(environment, transport: Self.local, timeout: timeout) {
            [passed, start] in
            start + .seconds(passed.withLock { $0 })
        }
        return AWSInstanceCredentials(metadata) { [passed] in Date() + passed.withLock { $0 } }
    }

    private func pass(_ seconds: Double) { passed.withLock { $0 += seconds } }

    @Test func requestsTokenRoleAndCredentials() async throws {
        let service = try FakeInstanceMetadata()
        let credentials = try #require(try await source(service.url + "/").credentials())
        #expect(credentials.accessKeyID == "INSTANCE1")
        #expect(credentials.secretAccessKey.text == "secret/INSTANCE1")
        #expect(credentials.sessionToken?.text == "token/INSTANCE1==")
        let lifetime = try #require(credentials.expiration).timeIntervalSinceNow
        #expect((21_000...21_601).contains(lifetime))
        #expect(
            service.requests.elements == [
                "PUT /latest/api/token", "GET \(Self.folder)", "GET \(Self.folder)node-role",
            ])
    }

    @Test func reusesATokenUntilItExpires() async throws {
        let service = try FakeInstanceMetadata()
        let source = source(service.url)
        _ = try await source.credentials()
        pass(21_500)
        _ = try await source.credentials()
        #expect(service.requests.elements.count { $0.hasPrefix("PUT") } == 1)
        pass(60)
        _ = try await source.credentials()
        #expect(service.requests.elements.count { $0.hasPrefix("PUT") } == 2)
    }

    /// A restarted service does not know the token.
    @Test func replacesATokenThatExpiredEarly() async throws {
        let service = try FakeInstanceMetadata()
        let source = source(service.url)
        _ = try await source.credentials()
        service.state.withLock { $0.tokens = [] }
        #expect(try await source.credentials()?.accessKeyID == "INSTANCE1")
        #expect(service.requests.elements.count { $0.hasPrefix("PUT") } == 2)
    }

    /// A second 401 ends the attempts.
    @Test func requestsAtMostTwoTokens() async throws {
        let service = try FakeInstanceMetadata(.init(status: 401))
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(service.url).credentials()
        }
        #expect(
            error
                == AWSCredentialsError(.unavailable, "instance metadata: the service responds with HTTP 401")
        )
        #expect(service.requests.elements.count { $0.hasPrefix("PUT") } == 2)
    }

    /// A pod behind a hop limit of 1 gets no response. Version 1 is never tried.
    @Test func timesOutWithoutAResponseToThePut() async throws {
        let service = try FakeInstanceMetadata(.init(answersPUT: false))
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(service.url, timeout: .milliseconds(250)).credentials()
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("hop limit") == true)
        await eventually { service.requests.elements.count == 2 }
        #expect(service.requests.elements == ["PUT /latest/api/token", "PUT /latest/api/token"])
    }

    @Test func reportsAnOutageOnceTheServiceHasResponded() async throws {
        let service = try FakeInstanceMetadata(.init(credentials: instanceCredentials("INSTANCE1", 43_200)))
        let source = source(service.url, timeout: .milliseconds(250))
        while await awsError({ () throws(AWSCredentialsError) in try await source.credentials() }) != nil {}
        service.state.withLock { $0.answersPUT = false }
        pass(22_000)
        let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
        #expect(error?.code == .unavailable)
    }

    @Test func rejectsAServiceWithoutTokens() async throws {
        let server = try FakeServer.responding { request in
            request.line.hasPrefix("PUT") ? response(404) : response(200, instanceCredentials("V1"))
        }
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(server.url).credentials()
        }
        #expect(error?.message == "instance metadata: the service issued no token for IMDSv2 (HTTP 404)")
    }

    /// Static stability: expired credentials are used for another 12 to 20 minutes, until there are new ones.
    @Test func extendsExpiredCredentialsInAnOutage() async throws {
        let service = try FakeInstanceMetadata(.init(credentials: instanceCredentials("INSTANCE1", -120)))
        let source = source(service.url)
        let stale = try #require(try await source.credentials())
        #expect(stale.accessKeyID == "INSTANCE1")
        #expect((710...1200).contains(try #require(stale.expiration).timeIntervalSinceNow))
        service.state.withLock { $0.credentials = instanceCredentials("INSTANCE2") }
        #expect(try await source.credentials()?.accessKeyID == "INSTANCE2")
        // They are also extended if the service is down when they expire.
        service.state.withLock { $0.status = 503 }
        #expect(await awsError { () throws(AWSCredentialsError) in try await source.credentials() } != nil)
        pass(6 * 3600)
        #expect(try await source.credentials()?.accessKeyID == "INSTANCE2")
    }

    @Test func reportsAnInstanceWithoutARole() async throws {
        let service = try FakeInstanceMetadata(.init(role: nil))
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(service.url).credentials()
        }
        #expect(error?.message == "instance metadata: the instance has no role; attach an instance profile")
    }

    @Test func reportsAnErrorWithStatus200() async throws {
        let body = #"{"Code":"AssumeRoleUnauthorizedAccess","Message":"SECRETTEXT"}"#
        let service = try FakeInstanceMetadata(.init(credentials: body))
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(service.url).credentials()
        }
        #expect(error?.code == .denied)
        #expect(error?.message.contains("(AssumeRoleUnauthorizedAccess)") == true)
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    @Test(arguments: [
        "", "[]", "<html>", #"{"Code":"Success"}"#, #"{"AccessKeyId":"A","SecretAccessKey":"s"}"#,
    ])
    func rejectsInvalidResponses(_ body: String) async throws {
        let service = try FakeInstanceMetadata(.init(credentials: body))
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(service.url).credentials()
        }
        #expect(error?.code == .unavailable)
    }

    @Test func respectsDisabledAndInvalidEndpoints() async throws {
        let disabled = source("http://127.0.0.1:1", [AWSInstanceMetadata.disabledVariable: "TRUE"])
        #expect(try await disabled.credentials() == nil)
        for url in ["ftp://a", "http://a@b", "169.254.169.254"] {
            let error = await awsError { () throws(AWSCredentialsError) in try await source(url).credentials()
            }
            #expect(error?.message.contains("is not an http or https URL") == true)
        }
    }

    @Test func usesTheEndpointOfTheMode() async throws {
        func asked(_ mode: String?) async -> String? {
            let transport = FakeTransport { _ in FakeTransport.Response(500, "") }
            let urls = Recorder<String>()
            let spy = URLSpy(base: transport, urls: urls)
            let settings = mode.map { [AWSInstanceMetadata.endpointModeVariable: $0] } ?? [:]
            let metadata = AWSInstanceMetadata(Environment(settings), transport: spy)
            _ = try? await metadata.get("x")
            return urls.elements.first
        }
        #expect(await asked(nil) == "http://169.254.169.254/latest/api/token")
        #expect(await asked("IPv6") == "http://[fd00:ec2::254]/latest/api/token")
        #expect(await asked("IPv5") == nil)
    }
}

/// Records whole URLs, of which a `FakeTransport` records parts.
struct URLSpy: HTTPTransport {
    let base: FakeTransport
    let urls: Recorder<String>

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        urls.append(request.url)
        return try await base.withResponse(to: request, handler)
    }
}
