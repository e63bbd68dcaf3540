import FoundationEssentials
import System

/// Credentials of a source, kept fresh. One fetch serves all who wait for it, and a waiter that is cancelled
/// does not cancel it. See `AWSCredentialsMachine` for when there is one.
final class RefreshingAWSCredentials: AWSCredentialsProvider {
    /// The clocks: the system's date tells how long credentials live, the monotonic one when that is over.
    struct Clocks: Sendable {
        var now: @Sendable () -> ContinuousClock.Instant = { .now }
        var date: @Sendable () -> Date = { Date() }
    }

    private typealias Outcome = Result<AWSCredentials, AWSCredentialsError>

    private struct State {
        var machine = AWSCredentialsMachine()
        var current: AWSCredentials?
        var failure: AWSCredentialsError?
        var waiters = Waiters<Outcome>()
    }

    private let source: any AWSCredentialsSource
    private let clocks: Clocks
    private let state = Locked(State())

    init(_ source: any AWSCredentialsSource, clocks: Clocks = Clocks()) {
        self.source = source
        self.clocks = clocks
    }

    /// At hand, or fetched. While the source fails, its last error is repeated until the next fetch is due.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials {
        let cancelled = AWSCredentialsError(.cancelled, "cancelled while waiting for AWS credentials")
        let outcome = await waiting { continuation, id in
            let (starts, answer) = state.withLock { state in demand(&state, continuation, id) }
            if starts { start() }
            if let answer { continuation.resume(returning: answer) }
        } leave: { id in
            self.leave(id, with: cancelled)
        }
        return try outcome.get()
    }

    func invalidate(_ credentials: AWSCredentials) -> Bool {
        let now = clocks.now()
        return state.withLock { state in
            // Others, or none: those were replaced since.
            guard let current = state.current, current.secretAccessKey === credentials.secretAccessKey else {
                return true
            }
            return state.machine.invalidate(generation: state.machine.generation, now: now)
        }
    }

    /// Whether to start a fetch, and what to answer now; nil: the waiter was noted.
    private func demand(
        _ state: inout State, _ continuation: Waiters<Outcome>.Continuation, _ id: WaiterID
    ) -> (starts: Bool, Outcome?) {
        let step = state.machine.request(now: clocks.now())
        switch (step, state.current) {
        case (.serve, .some(let current)): return (false, .success(current))
        case (.serveAndRefresh, .some(let current)): return (true, .success(current))
        case (.refresh, _), (.wait, _):
            state.waiters.add(continuation, id: id)
            return (step == .refresh, nil)
        case (.fail, _), (.serve, nil), (.serveAndRefresh, nil):
            return (
                step == .serveAndRefresh,
                .failure(
                    state.failure ?? AWSCredentialsError(.unavailable, "there are no AWS credentials yet"))
            )
        }
    }

    private func leave(_ id: WaiterID, with error: AWSCredentialsError) {
        state.withLock { $0.waiters.remove(id) }?.resume(returning: .failure(error))
    }

    /// The fetch has a task of its own, so that no waiter takes it along; a source's requests have deadlines.
    private func start() {
        Task { await fetch() }
    }

    private func fetch() async {
        let result = await ask()
        let now = clocks.now()
        let jitter = Double.random(in: 0..<1)
        let (waiters, outcome) = state.withLock { state -> ([Waiters<Outcome>.Continuation], Outcome) in
            switch result {
            case .success(let (credentials, lifetime)):
                state.machine.renewed(lifetime, now: now, jitter: jitter)
                state.current = credentials
                state.failure = nil
            case .failure(let error):
                state.machine.failed(
                    isOutage: error.code == .unavailable, retryAfter: error.retryAfter, now: now,
                    jitter: jitter)
                state.failure = error
            }
            return (state.waiters.takeAll(), result.map(\.credentials))
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }

    /// nil: they do not end.
    private typealias Grant = (credentials: AWSCredentials, lifetime: Duration?)

    private func ask() async -> Result<Grant, AWSCredentialsError> {
        do throws(AWSCredentialsError) {
            guard let credentials = try await source.credentials() else {
                throw AWSCredentialsError(.misconfigured, "\(source.name): no AWS credentials are configured")
            }
            guard let expiration = credentials.expiration else { return .success((credentials, nil)) }
            let seconds = expiration.timeIntervalSince(clocks.date())
            guard seconds >= 1 else {
                throw AWSCredentialsError(
                    .unavailable,
                    "\(source.name): the AWS credentials that came have ended already; check this machine's clock"
                )
            }
            // A hundred years are for ever, and safe to add to any instant.
            return .success((credentials, seconds < 3_153_600_000 ? .seconds(seconds) : nil))
        } catch {
            return .failure(error)
        }
    }
}
