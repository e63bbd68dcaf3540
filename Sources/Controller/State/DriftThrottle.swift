/// Whether somebody fights us for a Secret: repairs that follow each other without end. A person who edits by mistake
/// is corrected at once; another controller that writes back each time is answered ever more rarely. Pure.
struct DriftThrottle: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// So many repairs within `window` are a fight.
    static let maximumRepairs = 12
    static let window = Duration.seconds(60)
    static let initialDelay = Duration.seconds(30)
    static let maximumDelay = Duration.seconds(300)

    private var repairs: [Instant] = []
    private var pause: Duration?
    private var until: Instant?
    /// When there was last something to repair.
    private var seen: Instant?

    /// There is something to repair. How long to leave it so; nil: it is to be repaired now.
    mutating func delayBeforeRepair(now: Instant) -> Duration? {
        // Whoever has kept the peace for longer than any pause starts afresh.
        if let seen, seen.duration(to: now) > Self.maximumDelay + Self.window { self = DriftThrottle() }
        seen = now
        guard let until, now < until else { return nil }
        return now.duration(to: until)
    }

    /// A repair was made, and there was something to it. What only was tried is no part of a fight.
    mutating func recordRepair(now: Instant) {
        repairs.removeAll { $0.duration(to: now) > Self.window }
        repairs.append(now)
        guard repairs.count >= Self.maximumRepairs || pause != nil else { return }
        let next = min(pause.map { $0 * 2 } ?? Self.initialDelay, Self.maximumDelay)
        pause = next
        until = now + next
    }
}
