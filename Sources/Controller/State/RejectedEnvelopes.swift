import Concurrency
import KubeClient
import System

/// Objects whose envelope could not be opened. Mostly the object is at fault, and only a change of it helps. A KMS that
/// returns wrong data keys for a while looks the same, so these objects are retried after another envelope was opened,
/// with growing delays for each namespace. Safe to use from any thread.
final class RejectedEnvelopes: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Namespace {
        var refs: Set<ObjectRef> = []
        var backoff = Backoff(base: initialDelay, maximum: maximumDelay, jitter: .none)
        var notBefore: Instant

        init(now: Instant) { notBefore = now + backoff.next() }
    }

    static let initialDelay = Duration.seconds(1)
    static let maximumDelay = Duration.seconds(3600)

    private let namespaces = Locked<[String: Namespace]>([:])

    /// Adds an object. One that was not rejected before is retried soon, whatever delay its namespace has.
    func insert(_ ref: ObjectRef, now: Instant = .now) {
        namespaces.withLock { namespaces in
            var namespace = namespaces[ref.namespace] ?? Namespace(now: now)
            if namespace.refs.insert(ref).inserted {
                namespace.notBefore = min(namespace.notBefore, now + Self.initialDelay)
            }
            namespaces[ref.namespace] = namespace
        }
    }

    /// Returns the objects to retry, because the KMS has just unwrapped another data key.
    func takeDueRetries(now: Instant = .now) -> [ObjectRef] {
        namespaces.withLock { namespaces in
            var due: [ObjectRef] = []
            for (name, var namespace) in namespaces where now >= namespace.notBefore {
                due += namespace.refs
                namespace.notBefore = now + namespace.backoff.next()
                namespaces[name] = namespace
            }
            return due
        }
    }

    var all: [ObjectRef] { namespaces.withLock { $0.values.flatMap(\.refs) } }

    /// Removes an object that was opened, or does not exist any more.
    func remove(_ ref: ObjectRef) {
        namespaces.withLock { namespaces in
            namespaces[ref.namespace]?.refs.remove(ref)
            if namespaces[ref.namespace]?.refs.isEmpty == true { namespaces[ref.namespace] = nil }
        }
    }
}
