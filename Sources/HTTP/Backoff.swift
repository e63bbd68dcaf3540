/// Exponential delays with full jitter: attempt n waits a uniformly random time between zero and
/// `min(maximum, base * 2^n)`. A value type; one per sequence of attempts.
package struct Backoff: Sendable {
    package let base: Duration
    package let maximum: Duration
    private var attempts = 0

    package init(base: Duration, maximum: Duration) {
        self.base = base
        self.maximum = maximum
    }

    /// The longest that the next delay can be.
    package var ceiling: Duration {
        var ceiling = base
        for _ in 0..<attempts {
            guard ceiling < maximum else { break }
            ceiling *= 2
        }
        return min(ceiling, maximum)
    }

    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let delay = ceiling * Double.random(in: 0..<1, using: &random)
        attempts += 1
        return delay
    }

    package mutating func next() -> Duration {
        var random = SystemRandomNumberGenerator()
        return next(using: &random)
    }

    /// After a success: the next failure starts at `base` again.
    package mutating func reset() {
        attempts = 0
    }
}
