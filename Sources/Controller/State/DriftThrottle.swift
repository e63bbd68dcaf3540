import Concurrency

/// Detects another writer that keeps reverting our changes, and slows the repairs down. A single edit is reverted at
/// once. A controller that writes back each time is answered after delays that double. Pure: instants come in.
struct DriftThrottle: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// This many repairs within `window` start the delays.
    static let maximumRepairs = 12
    static let window = Duration.seconds(60)
    static let initialDelay = Duration.seconds(30)
    static let maximumDelay = Duration.seconds(300)

    private var repairs: [Instant] = []
    private var backoff = Backoff(base: initialDelay, maximum: maximumDelay, jitter: .none)
    private var until: Instant?
    /// When drift was seen last.
    private var lastDrift: Instant?

    /// The time without drift after which everything starts over. Longer than any delay.
    static let memory = maximumDelay + window

    /// Returns true if nothing was repaired for so long that a new throttle would be the same.
    func isIdle(at now: Instant) -> Bool {
        guard let last = repairs.last else { return true }
        return max(last, lastDrift ?? last).duration(to: now) > Self.memory
    }

    /// Records that drift was seen.
    ///
    /// - Returns: how long to wait before it is repaired, or nil if it is to be repaired now.
    mutating func delayBeforeRepair(now: Instant = .now) -> Duration? {
        guard !isIdle(at: now) else {
            self = DriftThrottle()
            return nil
        }
        lastDrift = now
        guard let until, now < until else { return nil }
        return now.duration(to: until)
    }

    /// Records a write that changed something. A write that failed, or changed nothing, does not count.
    mutating func recordRepair(now: Instant = .now) {
        repairs.removeAll { $0.duration(to: now) > Self.window }
        repairs.append(now)
        guard repairs.count >= Self.maximumRepairs || backoff.failures > 0 else { return }
        until = now + backoff.next()
    }
}
