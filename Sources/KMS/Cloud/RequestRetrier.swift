import FoundationEssentials
import System

/// The clocks of a client. Tests replace them.
struct ClientClock: Sendable {
    /// The system's date, which signatures and assertions contain.
    var date: @Sendable () -> Date = { Date() }
    var now: @Sendable () -> ContinuousClock.Instant = { .now }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
}

/// The error of one attempt. Without a cause for a retry, another attempt would fail too.
struct AttemptFailure<Failure: Error>: Error {
    let error: Failure
    var retryCause: RetryState.RetryableError?
}

/// The time that is left for one attempt.
struct AttemptDeadline<Failure: Error>: Sendable {
    fileprivate let end: ContinuousClock.Instant
    fileprivate let now: @Sendable () -> ContinuousClock.Instant
    /// The error of the attempt before, or that of a request that was never sent.
    fileprivate let expired: Failure

    /// - Throws: The error of the attempt before if no time is left.
    func remaining() throws(AttemptFailure<Failure>) -> Duration {
        let remaining = now().duration(to: end)
        guard remaining > .zero else { throw AttemptFailure(error: expired) }
        return remaining
    }
}

/// Repeats the failed requests of one client, which share a retry budget. Safe to use from many tasks.
final class RequestRetrier: Sendable {
    private let clock: ClientClock
    private let budget = Locked(RetryBudget())

    init(clock: ClientClock = ClientClock()) {
        self.clock = clock
    }

    /// Calls `attempt` until it succeeds, fails for good, or `timeout` has passed.
    ///
    /// - Parameters:
    ///   - expired: The error if no attempt could be started in time.
    ///   - cancelled: The error if the task is cancelled between two attempts.
    func run<Value, Failure: Error>(
        within timeout: Duration, expired: Failure, cancelled: Failure,
        _ attempt: (AttemptDeadline<Failure>) async throws(AttemptFailure<Failure>) -> Value
    ) async throws(Failure) -> Value {
        let end = clock.now() + timeout
        var retries = RetryState()
        var lastError = expired
        while true {
            do throws(AttemptFailure<Failure>) {
                let value = try await attempt(
                    AttemptDeadline(end: end, now: clock.now, expired: lastError))
                budget.withLock { retries.recordSuccess(budget: &$0) }
                return value
            } catch {
                guard let cause = error.retryCause,
                    case .retry(let delay) = budget.withLock({ retries.decide(after: cause, budget: &$0) }),
                    delay < clock.now().duration(to: end)
                else { throw error.error }
                lastError = error.error
                guard delay > .zero else { continue }
                do {
                    try await clock.sleep(delay)
                } catch {
                    throw cancelled
                }
            }
        }
    }
}

/// Waits for the result of `body` no longer than `timeout`, for an operation whose own timeouts may be longer. `body` is
/// cancelled then and must return early.
///
/// - Returns: Nil if the time passed, or the task was cancelled, before there was a result.
func firstResult<Value: Sendable, Failure: Error>(
    within timeout: Duration, of body: @escaping @Sendable () async throws(Failure) -> Value
) async -> Result<Value, Failure>? {
    await withTaskGroup(of: Result<Value, Failure>?.self) { group in
        group.addTask {
            do throws(Failure) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        group.addTask {
            try? await Task.sleep(for: timeout)
            return nil
        }
        defer { group.cancelAll() }
        return await group.next() ?? nil
    }
}
