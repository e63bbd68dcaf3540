import KubeClient
import System

/// Objects whose Secret belongs to another writer. No watch shows when that Secret is handed over, so it is polled. The
/// more of them a namespace has, the longer the interval of each. Safe to use from any thread.
final class BlockedObjects: Sendable {
    /// Polls per second that the objects of one namespace share.
    static let pollsPerSecond = 5.0
    static let maximumDelay = Duration.seconds(300)

    private let namespaces = Locked<[String: Set<ObjectRef>]>([:])

    /// Returns how long until the Secret of `ref` is polled again: `interval`, or longer and with jitter where many
    /// objects are blocked.
    func delayBeforeNextPoll(_ ref: ObjectRef, interval: Duration) -> Duration {
        let count = namespaces.withLock { namespaces in
            namespaces[ref.namespace, default: []].insert(ref)
            return namespaces[ref.namespace]?.count ?? 1
        }
        let fair = Duration.seconds(Double(count) / Self.pollsPerSecond)
        guard fair > interval else { return interval }
        return min(fair, Self.maximumDelay) * Double.random(in: 0.75...1)
    }

    /// Removes an object that is no longer blocked, or does not exist any more.
    func remove(_ ref: ObjectRef) {
        namespaces.withLock { namespaces in
            namespaces[ref.namespace]?.remove(ref)
            if namespaces[ref.namespace]?.isEmpty == true { namespaces[ref.namespace] = nil }
        }
    }
}

/// Merge targets that a read has just shown not to exist, so that all WrappedSecrets that wait for one share a read.
/// Safe to use from any thread.
final class MissingTargetCache: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How long a read counts.
    static let lifetime = Duration.seconds(15)

    private let readAt = Locked<[ObjectRef: Instant]>([:])

    func insert(_ target: ObjectRef, now: Instant = .now) {
        readAt.withLock { readAt in
            // Drops expired entries, so that the map stays small.
            if readAt.count >= 1024 { readAt = readAt.filter { $0.value.duration(to: now) < Self.lifetime } }
            readAt[target] = now
        }
    }

    func contains(_ target: ObjectRef, now: Instant = .now) -> Bool {
        readAt.withLock { $0[target].map { $0.duration(to: now) < Self.lifetime } ?? false }
    }

    /// Removes a target that the watch shows.
    func remove(_ target: ObjectRef) {
        readAt.withLock { $0[target] = nil }
    }
}
