import KubeClient
import System

/// Secrets that were looked for a moment ago and do not exist: any number of WrappedSecrets that wait for the same one
/// share a look. Safe to use from any thread.
final class MissingTargets: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How long a look counts.
    static let lifetime = Duration.seconds(15)

    private let looked = Locked<[ObjectRef: Instant]>([:])

    func insert(_ target: ObjectRef, now: Instant = .now) {
        looked.withLock { looked in
            // Kept small: a look that does not count any more says nothing.
            if looked.count >= 1024 { looked = looked.filter { $0.value.duration(to: now) < Self.lifetime } }
            looked[target] = now
        }
    }

    func contains(_ target: ObjectRef, now: Instant = .now) -> Bool {
        looked.withLock { $0[target].map { $0.duration(to: now) < Self.lifetime } ?? false }
    }

    /// The watch shows a Secret of this name.
    func remove(_ target: ObjectRef) {
        looked.withLock { $0[target] = nil }
    }
}
