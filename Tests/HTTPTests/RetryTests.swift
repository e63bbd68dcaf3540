import HTTPTypes
import System
import Testing

@testable import HTTP

struct RetryAfterTests {
    @Test(arguments: [
        ("0", 0), ("120", 120), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 10), ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
    ])
    func bothForms(text: String, seconds: Int) {
        #expect(RetryAfter.delay(text, now: 0) == .seconds(seconds))
    }

    @Test func aPastDateIsNow() {
        #expect(RetryAfter.delay("Sun, 06 Nov 1994 08:49:37 GMT", now: 784_111_778) == .zero)
        #expect(RetryAfter.delay("Sun, 06 Nov 1994 08:49:37 GMT", now: 784_111_770) == .seconds(7))
    }

    @Test(arguments: [
        "", "-1", "1.5", "soon", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    ])
    func othersAreNoDelay(text: String) {
        #expect(RetryAfter.delay(text, now: 0) == nil)
    }
}

struct RetryPolicyTests {
    private func head(_ code: Int, retryAfter: String? = nil) -> HTTPResponseHead {
        var head = HTTPResponseHead(status: .init(code: code))
        head.fields[.retryAfter] = retryAfter
        return head
    }

    @Test func onlyWhatMayBeRepeatedIs() {
        let policy = RetryPolicy()
        let lost = HTTPError(.connectionClosed, activity: "")
        let refused = HTTPError(.connectFailed, activity: "")
        #expect(policy.verdict(on: lost, .get) == .retry(after: nil))
        #expect(policy.verdict(on: lost, .post) == .giveUp)
        #expect(policy.verdict(on: lost, .patch) == .giveUp)
        #expect(policy.verdict(on: refused, .post) == .retry(after: nil))
        #expect(RetryPolicy(repeatsAnyMethod: true).verdict(on: lost, .post) == .retry(after: nil))
        #expect(policy.verdict(on: HTTPError(.certificateUntrusted, activity: ""), .get) == .giveUp)
        #expect(policy.verdict(on: head(503), .get, now: 0) == .retry(after: nil))
        #expect(policy.verdict(on: head(503), .post, now: 0) == .giveUp)
        #expect(policy.verdict(on: head(429), .post, now: 0) == .retry(after: nil))
        #expect(policy.verdict(on: head(429, retryAfter: "7"), .post, now: 0) == .retry(after: .seconds(7)))
        for code in [200, 400, 404, 409, 500, 501] {
            #expect(policy.verdict(on: head(code), .get, now: 0) == .giveUp)
        }
    }
}

/// Time that passes when somebody sleeps.
private struct JumpingClock: Clock {
    let time = Locked(ContinuousClock.now)
    let slept = Locked([Duration]())

    var now: ContinuousClock.Instant { time.withLock { $0 } }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        let step = now.duration(to: deadline)
        time.withLock { $0 = deadline }
        slept.withLock { $0.append(step) }
    }
}

private struct ScriptedTransport: HTTPTransport {
    let outcomes: Locked<[Result<HTTPResponseHead, HTTPError>]>
    let timeouts = Locked<[Duration?]>([])

    init(_ outcomes: [Result<HTTPResponseHead, HTTPError>]) {
        self.outcomes = Locked(outcomes)
    }

    func withResponse<Value: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Value
    ) async throws -> Value {
        timeouts.withLock { $0.append(request.timeout) }
        let head = try outcomes.withLock { $0.removeFirst() }.get()
        return try await handler(head, HTTPBody(bytes: Array("\(head.status.code)".utf8)))
    }
}

struct RetryTests {
    private let busy = HTTPResponseHead(status: .serviceUnavailable, fields: [.retryAfter: "3"])
    private let request = HTTPClientRequest(url: "http://127.0.0.1", timeout: .seconds(10))

    @Test func waitsAsAskedAndLeavesTheRestOfTheTime() async throws {
        let clock = JumpingClock()
        let transport = ScriptedTransport([.success(busy), .success(busy), .success(.init(status: .ok))])
        let response = try await transport.send(request, upTo: 10, retrying: RetryPolicy(), clock: clock)
        #expect(response.body == Array("200".utf8))
        #expect(clock.slept.withLock { $0 } == [.seconds(3), .seconds(3)])
        #expect(transport.timeouts.withLock { $0 } == [.seconds(10), .seconds(7), .seconds(4)])
    }

    @Test func theDeadlineEndsIt() async throws {
        let transport = ScriptedTransport(Array(repeating: .success(busy), count: 9))
        let policy = RetryPolicy(maximumAttempts: 9)
        let response = try await transport.send(request, upTo: 10, retrying: policy, clock: JumpingClock())
        #expect(response.head.status == .serviceUnavailable)
        #expect(transport.timeouts.withLock { $0.count } == 4)
    }

    @Test func attemptsEndItAndTheLastErrorStands() async throws {
        let lost = HTTPError(.connectionClosed, activity: "GET x")
        let transport = ScriptedTransport(Array(repeating: .failure(lost), count: 9))
        let policy = RetryPolicy(maximumAttempts: 3)
        await #expect(throws: lost) {
            try await transport.send(request, upTo: 10, retrying: policy, clock: JumpingClock())
        }
        #expect(transport.timeouts.withLock { $0.count } == 3)
    }

    @Test func cancellationEndsTheWait() async throws {
        let transport = ScriptedTransport([.success(busy), .success(busy)])
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await transport.send(request, upTo: 10, retrying: RetryPolicy())
        }
        let error = await #expect(throws: HTTPError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }
}
