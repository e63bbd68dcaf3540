/// Whether somebody fights us for a Secret: repairs that follow each other without end. A person who edits by mistake
/// is corrected at once; another controller that writes back each time is answered ever more rarely. Pure.
struct Contest: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// So many repairs within `window` are a fight.
    static let limit = 12
    static let window = Duration.seconds(60)
    static let firstPause = Duration.seconds(30)
    static let longestPause = Duration.seconds(300)

    private var repairs: [Instant] = []
    private var pause: Duration?
    private var until: Instant?
    /// When the Secret was last found changed.
    private var seen: Instant?

    /// Our Secret was changed by somebody. How long to leave it so; nil: it is to be repaired now, which counts.
    mutating func repair(now: Instant) -> Duration? {
        // Whoever has kept the peace for longer than any pause starts afresh.
        if let seen, seen.duration(to: now) > Self.longestPause + Self.window { self = Contest() }
        seen = now
        if let until, now < until { return now.duration(to: until) }
        repairs.removeAll { $0.duration(to: now) > Self.window }
        guard repairs.count >= Self.limit || pause != nil else {
            repairs.append(now)
            return nil
        }
        if until != nil {
            // The pause is over: one repair, then the next pause is longer.
            until = nil
            repairs.append(now)
            return nil
        }
        let next = min(pause.map { $0 * 2 } ?? Self.firstPause, Self.longestPause)
        pause = next
        until = now + next
        return next
    }
}
