import KubeClient
import System

/// Since when the API server has kept each object from being reconciled. A server that restarts, or somebody who was
/// faster, is nothing to tell; what lasts is. Safe to use from any thread.
final class PersistentFailures: Sendable {
    /// Longer than a restart of an API server takes.
    static let gracePeriod = Duration.seconds(20)

    private let began = Locked<[ObjectRef: ContinuousClock.Instant]>([:])

    /// It happened again. Whether it has lasted for too long to be passed over.
    func record(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> Bool {
        began.withLock { began in
            let first = began[ref] ?? now
            began[ref] = first
            return first.duration(to: now) >= Self.gracePeriod
        }
    }

    func clear(_ ref: ObjectRef) {
        began.withLock { $0[ref] = nil }
    }
}
