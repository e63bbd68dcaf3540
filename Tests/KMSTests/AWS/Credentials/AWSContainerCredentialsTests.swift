import Foundation
import HTTP
import Settings
import System
import TestSupport
import Testing

@testable import KMS

@Suite(.timeLimit(.minutes(5)))
struct AWSContainerCredentialsTests {
    private static let local = CurlClient(LocalServices.configuration)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func source(
        _ settings: [String: String], timeout: Duration = .seconds(30), transport: any HTTPTransport = local
    ) -> AWSContainerCredentials {
        AWSContainerCredentials(Environment(settings), transport: transport, timeout: timeout)
    }

    @Test func readsThePodIdentityTokenEachTime() async throws {
        let agent = try FakeContainerAgent(tokens: ["pod-token", "next-token"])
        let file = try folder.write("token", "pod-token")
        let source = source([
            AWSContainerCredentials.fullURIVariable: agent.url,
            AWSContainerCredentials.tokenFileVariable: file,
            // The file has priority.
            AWSContainerCredentials.tokenVariable: "other",
        ])
        let credentials = try #require(try await source.credentials())
        #expect(credentials.accessKeyID == "CONTAINER-pod-token")
        #expect(credentials.sessionToken?.text == "token/CONTAINER-pod-token==")
        #expect(credentials.expiration != nil)
        // The platform replaces the token.
        agent.tokens.withLock { $0 = ["next-token"] }
        try folder.write("token", "next-token\n")
        #expect(try await source.credentials()?.accessKeyID == "CONTAINER-next-token")
    }

    @Test func acceptsSpacesInATokenVariable() async throws {
        let agent = try FakeContainerAgent(tokens: ["Basic abc"])
        let source = source([
            AWSContainerCredentials.fullURIVariable: agent.url,
            AWSContainerCredentials.tokenVariable: "Basic abc",
        ])
        let error = await awsError { () throws(AWSCredentialsError) in try await source.credentials() }
        // The fake puts the token into the key id, which must not contain a space.
        #expect(
            error?.message == "container: the response has keys with characters that are invalid in a header")
        #expect(agent.requests.elements == ["GET /v1/credentials HTTP/1.1"])
    }

    @Test(arguments: ["a\nb", "a\r\nX-Evil: 1", "\n", "tök"])
    func rejectsTokensThatAreInvalidInAHeader(_ token: String) async throws {
        let agent = try FakeContainerAgent()
        let settings = [
            AWSContainerCredentials.fullURIVariable: agent.url,
            AWSContainerCredentials.tokenFileVariable: try folder.write("token", token),
        ]
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(settings).credentials()
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("characters that are invalid in a header") == true)
        #expect(agent.requests.elements.isEmpty)
    }

    @Test func reportsAMissingTokenFile() async throws {
        let settings = [
            AWSContainerCredentials.fullURIVariable: "http://localhost/x",
            AWSContainerCredentials.tokenFileVariable: "/nowhere",
        ]
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(settings).credentials()
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("/nowhere: No such file") == true)
    }

    @Test func reportsAMissingAssociation() async throws {
        let agent = try FakeContainerAgent()
        let settings = [
            AWSContainerCredentials.fullURIVariable: agent.url,
            AWSContainerCredentials.tokenVariable: "wrong",
        ]
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(settings).credentials()
        }
        #expect(error?.code == .denied)
        #expect(error?.message.contains("HTTP 401 (AccessDeniedException)") == true)
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    /// There are three attempts, each with its own timeout.
    @Test func timesOutWhenTheAgentHangs() async throws {
        let server = try FakeServer { $0.waitForClose() }
        let settings = [AWSContainerCredentials.fullURIVariable: server.url]
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source(settings, timeout: .milliseconds(250)).credentials()
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("eks-pod-identity-agent") == true)
        await eventually { server.connectionCount == 3 }
    }

    @Test func retriesUntilTheAgentIsReady() async throws {
        let calls = Recorder<Int>()
        let server = try FakeServer.responding { _ in
            calls.append(1)
            return calls.elements.count < 3 ? response(503) : response(200, instanceCredentials("LATE"))
        }
        #expect(
            try await source([AWSContainerCredentials.fullURIVariable: server.url]).credentials()?.accessKeyID
                == "LATE")
    }

    @Test(arguments: [
        "http://169.254.170.2/a", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://localhost:1234/a?b=c", "http://127.3.2.1/", "http://[::1]:80/a", "https://example.com/creds",
    ])
    func acceptsHTTPSLoopbackAndPlatformHosts(_ url: String) async throws {
        let urls = Recorder<String>()
        let spy = URLSpy(base: FakeTransport { _ in .init(200, instanceCredentials("A")) }, urls: urls)
        #expect(
            try await source([AWSContainerCredentials.fullURIVariable: url], transport: spy).credentials()
                != nil)
        #expect(urls.elements == [url])
    }

    @Test(arguments: [
        "http://example.com/", "http://169.254.169.254/", "http://169.254.170.2@example.com/",
        "http://127.0.0.1.nip.io/",
        "http://2130706433/", "http://127.1/", "http://[::ffff:8.8.8.8]/", "http://localhost.example.com/",
        "http://example.com\\@127.0.0.1/", "http://127.0.0.1#@example.com/", "ftp://127.0.0.1/", "127.0.0.1/",
        "http:///x", "http://[fd00:ec2::23]x/", "http://127.0.0.1/\r\nX: y",
    ])
    func rejectsOtherHosts(_ url: String) async throws {
        let transport = FakeTransport { _ in .init(200, instanceCredentials("A")) }
        let error = await awsError { () throws(AWSCredentialsError) in
            try await source([AWSContainerCredentials.fullURIVariable: url], transport: transport)
                .credentials()
        }
        #expect(error?.code == .misconfigured)
        #expect(transport.requests.isEmpty)
    }

    @Test func prefersTheRelativeURIOfECS() async throws {
        let urls = Recorder<String>()
        let spy = URLSpy(base: FakeTransport { _ in .init(200, instanceCredentials("A")) }, urls: urls)
        let settings = [
            AWSContainerCredentials.relativeURIVariable: "/v2/credentials/abc",
            AWSContainerCredentials.fullURIVariable: "http://localhost/other",
        ]
        #expect(try await source(settings, transport: spy).credentials() != nil)
        #expect(urls.elements == ["http://169.254.170.2/v2/credentials/abc"])
        let wrong = [AWSContainerCredentials.relativeURIVariable: "@example.com/"]
        #expect(
            await awsError { () throws(AWSCredentialsError) in try await source(wrong).credentials() } != nil)
        #expect(try await source([:]).credentials() == nil)
    }
}
