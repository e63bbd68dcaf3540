import Concurrency
import Cryptography
import Envelope
import HTTP
import HTTPTypes
import JSON
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// The attempts of a request, which share one deadline.
struct CloudClientTests {
    private struct Service: CloudService {
        let address: ServerAddress
        let name = "the service"
        let backend = "gcp-kms"
        let fields: HTTPFields = [.userAgent: "test"]

        func error(for response: CloudResponse, to request: CloudRequest) -> CloudError {
            let code: CloudError.Code =
                switch response.status {
                case 401, 403: .accessDenied
                case 429: .throttled
                case 500...: .unavailable
                default: .invalidCiphertext
                }
            return CloudError(code, "HTTP \(response.status)", retryAfter: response.retryAfter)
        }

        func remedy(for error: HTTPError) -> String? { "check the route" }
    }

    private let clock = ManualClientClock()

    private func client(
        _ transport: any HTTPTransport, _ tokens: any CloudTokenProvider = FakeTokens("t1"),
        clock: ClientClock? = nil, observer: (any KeyManagerObserver)? = nil
    ) throws -> CloudClient {
        CloudClient(
            Service(address: try #require(ServerAddress("https://kms.example/base"))), transport: transport,
            tokens: tokens, observer: observer, clock: clock ?? self.clock.clock)
    }

    private let request = CloudRequest(
        path: "/v1/key:decrypt", fields: [.ifMatch: "x"], body: ["a": "b"], action: "decrypt",
        resource: "key",
        operation: .unwrap)

    private func send(_ client: CloudClient, _ request: CloudRequest? = nil) async throws(CloudError)
        -> String?
    {
        try await client.send(request ?? self.request) { response throws(CloudError) in
            response.body?["result"]?.string
        }
    }

    @Test func sendsJSONWithTheToken() async throws {
        let transport = FakeTransport { _ in .json(["result": "ok"]) }
        #expect(try await send(client(transport)) == "ok")
        let sent = try #require(transport.requests.first)
        #expect(sent.line == "POST /base/v1/key:decrypt")
        #expect(sent.authorization == "Bearer t1")
        #expect(sent.json == ["a": "b"])
        #expect(sent.fields[.contentType] == "application/json")
        #expect(sent.fields[.accept] == "application/json")
        #expect(sent.fields[.userAgent] == "test")
        #expect(sent.fields[.ifMatch] == "x")
    }

    @Test func repeatsA401OnceWithAnotherToken() async throws {
        let tokens = FakeTokens("old", "new", "never")
        let transport = FakeTransport { request in
            request.authorization == "Bearer new" ? .json(["result": "ok"]) : .init(401, "")
        }
        #expect(try await send(client(transport, tokens)) == "ok")
        #expect(tokens.denied == ["old"])
        #expect(tokens.accepted == ["new"])
    }

    @Test func givesUpAfterTheSecond401() async throws {
        let tokens = FakeTokens("a", "b", "c", "d")
        let transport = FakeTransport { _ in .init(401, "") }
        let client = try client(transport, tokens)
        let error = await cloudError { () throws(CloudError) in try await send(client) }
        #expect(error?.code == .accessDenied)
        #expect(transport.requests.map(\.authorization) == ["Bearer a", "Bearer b"])
    }

    @Test func doesNotRepeatA401WithoutAnotherToken() async throws {
        let transport = FakeTransport { _ in .init(401, "") }
        let client = try client(transport)
        #expect(await cloudError { () throws(CloudError) in try await send(client) }?.code == .accessDenied)
        #expect(transport.requests.count == 1)
    }

    @Test func waitsAsLongAsTheServiceAsks() async throws {
        let transport = FakeTransport(script: [
            .init(429, "", fields: [.retryAfter: "3"]), .init(503, "", fields: [.retryAfter: "2"]),
            .json(["result": "ok"]),
        ])
        #expect(try await send(client(transport)) == "ok")
        #expect(clock.sleeps == [.seconds(3), .seconds(2)])
    }

    @Test func returnsTheErrorWhenTheServiceAsksForMoreThanTheDeadline() async throws {
        let transport = FakeTransport { _ in .init(429, "", fields: [.retryAfter: "60"]) }
        let client = try client(transport)
        let error = await cloudError { () throws(CloudError) in try await send(client) }
        #expect(error?.code == .throttled)
        #expect(error?.retryAfter == .seconds(60))
        #expect(transport.requests.count == 1)
        #expect(clock.sleeps.isEmpty)
    }

    @Test(arguments: [400, 403, 404])
    func doesNotRepeatWhatAnotherAttemptCannotChange(status: Int) async throws {
        let transport = FakeTransport { _ in .init(status, "") }
        let client = try client(transport)
        #expect(await cloudError { () throws(CloudError) in try await send(client) } != nil)
        #expect(transport.requests.count == 1)
    }

    @Test func repeatsACorruptedResponseThreeTimes() async throws {
        let transport = FakeTransport { _ in .json([:]) }
        let client = try client(transport)
        let error = await cloudError { () throws(CloudError) in
            try await client.send(request) { _ throws(CloudError) in
                throw CloudError(.corrupted, "changed on its way")
            }
        }
        #expect(error == CloudError(.corrupted, "changed on its way"))
        #expect(transport.requests.count == RetryState.maximumAttempts)
        #expect(error?.concernsAllRequests == false)
    }

    @Test func sharesOneDeadlineAmongAttempts() async throws {
        let clock = clock
        let transport = FakeTransport { _ in
            clock.advance(by: .seconds(6))
            throw HTTPError(.timedOut, activity: "POST https://kms")
        }
        let client = try client(transport)
        let start = clock.now
        let error = await cloudError { () throws(CloudError) in try await send(client) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("check the route") == true)
        #expect(transport.requests.count == 3)
        #expect(clock.now - start < .seconds(19))
    }

    @Test func endsAtTheDeadlineWhileATokenHangs() async throws {
        let source = FakeTokenSource { () throws(CloudError) in
            try? await Task.sleep(for: .seconds(600))
            return nil
        }
        let client = try client(
            FakeTransport { _ in .json([:]) }, RefreshingCloudToken(source), clock: ClientClock())
        var request = request
        request.timeout = .milliseconds(50)
        let short = request
        let error = await cloudError { () throws(CloudError) in try await send(client, short) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("no access token arrived in time") == true)
    }

    @Test func anErrorOfTheTokenConcernsAllRequests() async throws {
        let tokens = RefreshingCloudToken(
            FakeTokenSource { () throws(CloudError) in throw CloudError(.accessDenied, "denied") })
        let client = try client(FakeTransport { _ in .json([:]) }, tokens)
        let error = await cloudError { () throws(CloudError) in try await send(client) }
        #expect(error?.code == .accessDenied)
        #expect(error?.concernsAllRequests == true)
    }

    @Test func cancellationEndsTheDelayBetweenAttempts() async throws {
        let sleeping = Gate()
        var clock = ClientClock()
        // A busy machine must not let the deadline pass before the first attempt.
        let start = ContinuousClock.now
        clock.now = { start }
        clock.sleep = { _ in
            sleeping.open()
            try await Task.sleep(for: .seconds(600))
        }
        let transport = FakeTransport { _ in .init(500, "") }
        let client = try client(transport, clock: clock)
        let call = Task {
            defer { sleeping.open() }
            return await cloudError { () throws(CloudError) in try await send(client) }
        }
        await sleeping.wait()
        call.cancel()
        #expect(await call.value?.code == .cancelled)
        #expect(transport.requests.count == 1)
    }

    @Test func reportsEachAttemptToTheObserver() async throws {
        let observer = RecordingObserver()
        let transport = FakeTransport(script: [
            .init(500, ""), .init(429, "", fields: [.retryAfter: "0"]), .json(["result": "ok"]),
        ])
        _ = try await send(client(transport, observer: observer))
        #expect(observer.requests.map(\.backend) == ["gcp-kms", "gcp-kms", "gcp-kms"])
        #expect(observer.requests.map(\.failures) == [[.unavailable], [.throttled], []])
        #expect(observer.requests.allSatisfy { $0.operation == .unwrap })
    }

    @Test func rejectsAResponseThatIsTooLarge() async throws {
        let transport = FakeTransport { _ in .init(200, String(repeating: "x", count: 2 << 20)) }
        let client = try client(transport)
        #expect(await cloudError { () throws(CloudError) in try await send(client) }?.code == .unavailable)
        #expect(transport.requests.count == 1)
    }

    private final class RecordingObserver: KeyManagerObserver {
        private let log = Locked<[KeyManagerRequest.Completed]>([])

        var requests: [KeyManagerRequest.Completed] { log.withLock { $0 } }

        func requestCompleted(_ request: KeyManagerRequest.Completed) { log.withLock { $0.append(request) } }
    }
}
