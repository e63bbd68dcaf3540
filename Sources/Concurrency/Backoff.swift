/// Exponential backoff with jitter: after failure n the delay is `min(maximum, base * 2^(n-1))`, of which a part is
/// random. Use one for each sequence of attempts.
package struct Backoff: Sendable {
    /// The random part of a delay, which keeps clients that failed together from retrying together.
    package enum Jitter: Sendable {
        case none
        /// Between half of the delay and all of it.
        case half
        /// Between zero and the delay.
        case full
    }

    package let base: Duration
    package let maximum: Duration
    package let jitter: Jitter
    /// Failures since the last `reset`.
    package private(set) var failures = 0

    package init(base: Duration, maximum: Duration, jitter: Jitter = .full) {
        self.base = base
        self.maximum = maximum
        self.jitter = jitter
    }

    /// The longest that the next delay can be.
    package var ceiling: Duration {
        var ceiling = base
        for _ in 0..<failures where ceiling < maximum { ceiling *= 2 }
        return min(ceiling, maximum)
    }

    /// Records a failure.
    ///
    /// - Parameters:
    ///   - random: A number from 0 up to 1, from which the jitter is taken. A parameter, so that state machines are
    ///     deterministic.
    ///   - limit: A maximum for this delay, where it is lower than `maximum`.
    /// - Returns: The delay before the next attempt.
    package mutating func next(random: Double, limit: Duration? = nil) -> Duration {
        let delay = min(ceiling, limit ?? maximum)
        failures += 1
        return switch jitter {
        case .none: delay
        case .half: delay * (0.5 + random / 2)
        case .full: delay * random
        }
    }

    /// Records a failure and returns the delay before the next attempt.
    package mutating func next() -> Duration { next(random: .random(in: 0..<1)) }

    /// Records a success: the next failure starts at `base` again.
    package mutating func reset() { failures = 0 }
}
