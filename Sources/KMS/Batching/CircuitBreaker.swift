import Concurrency
import Envelope
import System

/// Keeps requests away from a KMS that is in an outage: while the breaker is open, callers get the error that opened it, and
/// one request at a time is let through to find out whether the KMS serves again.
final class CircuitBreaker<Base: BatchUnwrapping>: Sendable {
    private struct State {
        var machine = CircuitBreakerMachine()
        /// The newest request that failed or was rejected. It is repeated as the probe: the cause may be its key alone, and
        /// then another key ends the outage.
        var probe: UnwrapRequest?
        var hasRecovered = false

        mutating func admit(_ requests: [UnwrapRequest], now: ContinuousClock.Instant)
            -> CircuitBreakerMachine.Decision
        {
            let decision = machine.admit(now: now)
            if decision != .allow { probe = requests.last ?? probe }
            return decision
        }
    }

    private let base: Base
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Locked(State())
    private let timer = WakeableTimer()

    /// Short, since a trial that hangs delays all requests to a KMS that serves again.
    static var trialTimeout: Duration { .seconds(3) }

    init(_ base: Base, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.base = base
        self.now = now
    }

    /// Returns one result for each request, in their order.
    func unwrap(_ requests: [UnwrapRequest]) async -> [Base.UnwrapResult] {
        let now = now()
        let isTrial: Bool
        switch state.withLock({ $0.admit(requests, now: now) }) {
        case .reject(let error): return requests.map { _ in .failure(error) }
        case .allow: isTrial = false
        case .trial: isTrial = true
        }
        do throws(KeyManagerError) {
            let results = try await base.unwrap(requests, timeout: isTrial ? Self.trialTimeout : nil)
            recordSuccess()
            return results
        } catch {
            recordFailure(error, requests.last, wasTrial: isTrial)
            return requests.map { _ in .failure(error) }
        }
    }

    /// Probes the KMS while the breaker is open, and calls `onRecovery` when the KMS serves again. Returns when the task is
    /// cancelled.
    func probe(onRecovery: @escaping @Sendable () -> Void) async {
        await timer.run {
            if let trial = state.withLock({ $0.machine.nextTrial }), trial <= now(),
                let request = state.withLock({ $0.probe })
            {
                _ = await unwrap([request])
            }
            let (recovered, next) = state.withLock { state in
                defer { state.hasRecovered = false }
                return (state.hasRecovered, state.machine.nextTrial)
            }
            if recovered { onRecovery() }
            return next
        }
    }

    private func recordSuccess() {
        let recovered = state.withLock { state in
            guard state.machine.succeeded() else { return false }
            state.hasRecovered = true
            state.probe = nil
            return true
        }
        if recovered { timer.signal() }
    }

    private func recordFailure(_ error: KeyManagerError, _ request: UnwrapRequest?, wasTrial: Bool) {
        let now = now()
        let random = Double.random(in: 0..<1)
        state.withLock { state in
            if error.code == .cancelled {
                if wasTrial { state.machine.trialAbandoned(now: now) }
                return
            }
            state.machine.failed(error, wasTrial: wasTrial, now: now, random: random)
            // A request that was rejected during the trial is newer.
            if !wasTrial || state.probe == nil { state.probe = request }
        }
        timer.signal()
    }
}

/// The states of a circuit breaker. Pure. No state is absorbing: each time that it is open ends with a trial.
struct CircuitBreakerMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Decision: Equatable {
        case allow
        /// Allow the request, and report its outcome, which decides for all others.
        case trial
        case reject(KeyManagerError)
    }

    private enum State {
        case closed
        case open(KeyManagerError, until: Instant)
        case halfOpen(KeyManagerError)
    }

    private var state = State.closed
    private var backoff = Backoff(
        base: minimumOpenDuration, maximum: maximumOpenDurationWhenDenied, jitter: .half)

    static let minimumOpenDuration = Duration.milliseconds(250)
    /// The end of an outage is noticed within this time.
    static let maximumOpenDuration = Duration.seconds(3)
    /// For errors that last until an operator changes something.
    static let maximumOpenDurationWhenDenied = Duration.seconds(30)
    private static let longestRetryAfter = Duration.seconds(60)

    /// The time of the next trial, or nil if the breaker is not open.
    var nextTrial: Instant? {
        if case .open(_, let until) = state { until } else { nil }
    }

    mutating func admit(now: Instant) -> Decision {
        switch state {
        case .closed: return .allow
        case .open(let error, let until) where now < until: return .reject(error)
        case .open(let error, _):
            state = .halfOpen(error)
            return .trial
        case .halfOpen(let error): return .reject(error)
        }
    }

    /// Records that the KMS served a request.
    ///
    /// - Returns: True if this ends an outage.
    mutating func succeeded() -> Bool {
        defer {
            state = .closed
            backoff.reset()
        }
        if case .closed = state { return false }
        return true
    }

    /// Records an error that concerns all requests. While the breaker is open, only a trial prolongs that.
    ///
    /// - Parameter random: A number from 0 up to 1.
    mutating func failed(_ error: KeyManagerError, wasTrial: Bool, now: Instant, random: Double) {
        if case .closed = state {} else if !wasTrial { return }
        let limit =
            error.code == .unavailable || error.code == .throttled
            ? Self.maximumOpenDuration : Self.maximumOpenDurationWhenDenied
        let requested = min(error.retryAfter ?? .zero, Self.longestRetryAfter)
        state = .open(error, until: now + max(backoff.next(random: random, limit: limit), requested))
    }

    /// Records that the trial was cancelled before the KMS could respond.
    mutating func trialAbandoned(now: Instant) {
        if case .halfOpen(let error) = state { state = .open(error, until: now) }
    }
}
