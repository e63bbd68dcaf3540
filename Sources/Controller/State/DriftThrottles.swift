import KubeClient
import System

/// The fight over each Secret, by its WrappedSecret. Safe to use from any thread.
final class DriftThrottles: Sendable {
    private let contests = Locked<[ObjectRef: DriftThrottle]>([:])

    /// See `DriftThrottle`.
    func delayBeforeRepair(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> Duration? {
        contests.withLock { $0[ref]?.delayBeforeRepair(now: now) }
    }

    func recordRepair(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) {
        contests.withLock { $0[ref, default: DriftThrottle()].recordRepair(now: now) }
    }

    func forget(_ ref: ObjectRef) {
        contests.withLock { $0[ref] = nil }
    }
}
