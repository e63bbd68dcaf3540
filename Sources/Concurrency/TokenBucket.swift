/// A rate limit: a bucket that holds up to `capacity` tokens and gets one back every `interval`. A value type without a
/// clock: the caller passes the time.
///
/// The state is one instant, the one at which the bucket is full again (the generic cell rate algorithm).
package struct TokenBucket<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    /// The time in which one token comes back. A change takes effect with the next token.
    package var interval: Duration
    /// How long before `fullAt` a token can already be taken: the time in which all tokens but one come back.
    private let tolerance: Duration
    /// The time at which the bucket is full again, if no token is taken before. It may have passed.
    private var fullAt: Instant

    /// Creates a full bucket.
    package init(capacity: Int, interval: Duration, now: Instant) {
        self.interval = interval
        tolerance = interval * (capacity - 1)
        fullAt = now
    }

    /// Creates a full bucket that holds one token more than come back in the time `burst`.
    package init(interval: Duration, burst: Duration, now: Instant) {
        self.interval = interval
        tolerance = burst
        fullAt = now
    }

    /// The number of tokens in a full bucket.
    package var capacity: Int { Int((tolerance / interval).rounded()) + 1 }

    /// Returns the time at which the bucket holds `count` tokens, if none is taken before. It may have passed.
    package func time(ofTokens count: Int = 1) -> Instant {
        fullAt.advanced(by: interval * (count - 1) - tolerance)
    }

    /// Takes a token.
    ///
    /// - Returns: True if there was one.
    package mutating func take(at now: Instant) -> Bool {
        guard time() <= now else { return false }
        spend(at: now)
        return true
    }

    /// Takes the next token, which may come later.
    ///
    /// - Returns: The time until the token comes. If that is not less than `limit`, returns nil and takes nothing.
    package mutating func reserve(at now: Instant, waitingLessThan limit: Duration) -> Duration? {
        let wait = max(now.duration(to: time()), .zero)
        guard wait < limit else { return nil }
        spend(at: now)
        return wait
    }

    /// Takes a token that was used already. If there was none, the next one comes later.
    package mutating func charge(at now: Instant) { spend(at: now) }

    /// Returns a token that was taken and not used.
    package mutating func giveBack() { fullAt = fullAt.advanced(by: .zero - interval) }

    /// Takes all tokens.
    package mutating func drain(at now: Instant) {
        fullAt = max(fullAt, now.advanced(by: tolerance + interval))
    }

    package func available(at now: Instant) -> Int {
        max(0, capacity - Int((max(now.duration(to: fullAt), .zero) / interval).rounded(.up)))
    }

    /// Returns true if no token is in use, so that a new bucket would be the same.
    package func isFull(at now: Instant) -> Bool { fullAt <= now }

    private mutating func spend(at now: Instant) { fullAt = max(fullAt, now).advanced(by: interval) }
}
