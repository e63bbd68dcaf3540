import Concurrency
package import Cryptography
import Glibc
import HTTPTypes

extension HTTPTransport {
    /// As `send`, repeated as `policy` has it. The request's `timeout` bounds all attempts and the waits
    /// between them together: when the next wait would pass it, the last outcome is the result.
    package func send(
        _ request: HTTPClientRequest, upTo limit: Int, retrying policy: RetryPolicy,
        clock: some Clock<Duration> = ContinuousClock()
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: [UInt8]) {
        try await repeating(request, policy, clock) { request throws(HTTPError) in
            try await send(request, upTo: limit)
        }
    }

    /// As `sendForSecret`, repeated in the same way.
    package func sendCollectingSecret(
        _ request: HTTPClientRequest, upTo limit: Int, retrying policy: RetryPolicy,
        clock: some Clock<Duration> = ContinuousClock()
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: SharedSecret) {
        try await repeating(request, policy, clock) { request throws(HTTPError) in
            try await sendCollectingSecret(request, upTo: limit)
        }
    }

    private func repeating<Body: Sendable>(
        _ original: HTTPClientRequest, _ policy: RetryPolicy, _ clock: some Clock<Duration>,
        _ attempt: (HTTPClientRequest) async throws(HTTPError) -> (head: HTTPResponseHead, body: Body)
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: Body) {
        let deadline = original.timeout.map { clock.now.advanced(by: $0) }
        var request = original
        var backoff = policy.backoff
        var attempts = 0
        while true {
            let outcome: Result<(head: HTTPResponseHead, body: Body), HTTPError>
            let verdict: RetryPolicy.Verdict
            do throws(HTTPError) {
                let response = try await attempt(request)
                verdict = policy.verdict(on: response.head, request.method, now: time(nil))
                outcome = .success(response)
            } catch {
                verdict = policy.verdict(on: error, request.method)
                outcome = .failure(error)
            }
            attempts += 1
            guard case .retry(let asked) = verdict, attempts < policy.maximumAttempts else {
                return try outcome.get()
            }
            let delay = asked ?? backoff.next()
            if let deadline {
                let left = clock.now.duration(to: deadline)
                guard delay < left else { return try outcome.get() }
                request.timeout = left - delay
            }
            do {
                try await clock.sleep(for: delay)
            } catch {
                throw HTTPError(.cancelled, activity: "waiting to repeat a \(request.method.rawValue)")
            }
        }
    }
}
