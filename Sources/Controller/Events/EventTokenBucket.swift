/// So many at once, and one more after each pause. A value type; it is told the time.
struct EventTokenBucket<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    let burst: Int
    let refillInterval: Duration
    /// When all of it is there again.
    private var full: Instant

    init(burst: Int, pause: Duration, now: Instant) {
        self.burst = burst
        self.refillInterval = pause
        full = now
    }

    /// When the next one may go; not later than `now`: at once.
    var nextTokenAt: Instant { full.advanced(by: refillInterval * -(burst - 1)) }

    /// Uses one up, if there is one.
    mutating func takeToken(at now: Instant) -> Bool {
        guard nextTokenAt <= now else { return false }
        full = max(full, now).advanced(by: refillInterval)
        return true
    }

    /// Nothing of it is in use: forgetting it changes nothing.
    func isFull(at now: Instant) -> Bool { full <= now }
}
