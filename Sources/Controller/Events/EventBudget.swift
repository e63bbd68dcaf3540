/// So many at once, and one more after each pause. A value type; it is told the time.
struct EventBudget<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    let burst: Int
    let pause: Duration
    /// When all of it is there again.
    private var full: Instant

    init(burst: Int, pause: Duration, now: Instant) {
        self.burst = burst
        self.pause = pause
        full = now
    }

    /// When the next one may go; not later than `now`: at once.
    var next: Instant { full.advanced(by: pause * -(burst - 1)) }

    /// Uses one up, if there is one.
    mutating func spend(at now: Instant) -> Bool {
        guard next <= now else { return false }
        full = max(full, now).advanced(by: pause)
        return true
    }

    /// Nothing of it is in use: forgetting it changes nothing.
    func isFull(at now: Instant) -> Bool { full <= now }
}
