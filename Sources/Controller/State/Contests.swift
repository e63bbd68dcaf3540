import KubeClient
import Primitives

/// The fight over each Secret, by its WrappedSecret. Safe to use from any thread.
final class Contests: Sendable {
    private let contests = Locked<[ObjectRef: Contest]>([:])

    /// See `Contest`.
    func truce(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> Duration? {
        contests.withLock { $0[ref]?.truce(now: now) }
    }

    func repaired(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) {
        contests.withLock { $0[ref, default: Contest()].repaired(now: now) }
    }

    func forget(_ ref: ObjectRef) {
        contests.withLock { $0[ref] = nil }
    }
}
