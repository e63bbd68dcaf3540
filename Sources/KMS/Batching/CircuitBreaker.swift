import Envelope

/// Keeps requests from a KMS that serves nobody: while it is open, callers fail at once with the failure that
/// opened it, and one request at a time is let through to see whether it serves again. Pure.
///
/// No state is absorbing: each pause ends in a trial.
struct CircuitBreaker: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Decision: Equatable {
        case allow
        /// As `proceed`; what comes of it decides for all. Must be told what that is.
        case trial
        case reject(KeyManagerError)
    }

    private enum State {
        case closed
        case open(KeyManagerError, until: Instant)
        case trying(KeyManagerError)
    }

    private var state = State.closed
    private var failures = 0

    static let minimumOpenDuration = Duration.milliseconds(250)
    /// A KMS that was out is noticed within this time of its return.
    static let maximumOpenDuration = Duration.seconds(3)
    /// Where a person has to change something first.
    static let maximumOpenDurationWhenDenied = Duration.seconds(30)

    /// When the next trial is due; nil: the breaker is not open.
    var nextTrial: Instant? {
        if case .open(_, let until) = state { until } else { nil }
    }

    mutating func admit(now: Instant) -> Decision {
        switch state {
        case .closed: return .allow
        case .open(let error, let until) where now < until: return .reject(error)
        case .open(let error, _):
            state = .trying(error)
            return .trial
        case .trying(let error): return .reject(error)
        }
    }

    /// The KMS served. Whether it did not before.
    mutating func succeeded() -> Bool {
        defer {
            state = .closed
            failures = 0
        }
        if case .closed = state { return false }
        return true
    }

    /// The KMS served nobody. `jitter`: 0..<1. Latecomers do not prolong a pause.
    mutating func failed(_ error: KeyManagerError, wasTrial: Bool, now: Instant, jitter: Double) {
        if case .closed = state {} else if !wasTrial { return }
        failures += 1
        let longest =
            error.code == .unavailable || error.code == .throttled
            ? Self.maximumOpenDuration : Self.maximumOpenDurationWhenDenied
        let pause = min(Self.minimumOpenDuration * (1 << min(failures - 1, 10)), longest)
        let asked = min(error.retryAfter ?? .zero, .seconds(60))
        state = .open(error, until: now + max(pause * (0.5 + jitter / 2), asked))
    }

    /// The trial was given up before the KMS could answer.
    mutating func trialAbandoned(now: Instant) {
        if case .trying(let error) = state { state = .open(error, until: now) }
    }
}
