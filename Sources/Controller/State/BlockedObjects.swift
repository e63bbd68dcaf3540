import KubeClient
import System

/// Objects whose Secret belongs to another writer. No watch shows when that Secret is handed over, so it is looked at
/// again and again; the more of them a namespace has, the more rarely each. Safe to use from any thread.
final class BlockedObjects: Sendable {
    /// Looks in a second that the objects of one namespace get together.
    static let pollsPerSecond = 5.0
    static let maximumDelay = Duration.seconds(300)

    private let namespaces = Locked<[String: Set<ObjectRef>]>([:])

    /// How long until the Secret of `ref` is looked at again: `interval`, or longer with jitter where many wait.
    func delayBeforeNextPoll(_ ref: ObjectRef, interval: Duration) -> Duration {
        let count = namespaces.withLock { namespaces in
            namespaces[ref.namespace, default: []].insert(ref)
            return namespaces[ref.namespace]?.count ?? 1
        }
        let fair = Duration.seconds(Double(count) / Self.pollsPerSecond)
        guard fair > interval else { return interval }
        return min(fair, Self.maximumDelay) * Double.random(in: 0.75...1)
    }

    /// `ref` is not blocked any more, or does not exist.
    func remove(_ ref: ObjectRef) {
        namespaces.withLock { namespaces in
            namespaces[ref.namespace]?.remove(ref)
            if namespaces[ref.namespace]?.isEmpty == true { namespaces[ref.namespace] = nil }
        }
    }
}
