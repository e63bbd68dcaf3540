import KubeClient
import System

/// Objects whose envelope did not open. Mostly the object is at fault, and only its change helps. A KMS that answers
/// wrongly for a while looks the same, so these objects are tried again once it serves others, with growing pauses for
/// each namespace. Safe to use from any thread.
final class RejectedEnvelopes: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Namespace {
        var refs: Set<ObjectRef> = []
        var pause = RejectedEnvelopes.initialDelay
        var notBefore: Instant
    }

    static let initialDelay = Duration.seconds(1)
    static let maximumDelay = Duration.seconds(3600)

    private let namespaces = Locked<[String: Namespace]>([:])

    /// An object that was not refused before is tried soon, whatever the others of its namespace did.
    func insert(_ ref: ObjectRef, now: Instant = .now) {
        namespaces.withLock { namespaces in
            let first = now + Self.initialDelay
            var namespace = namespaces[ref.namespace] ?? Namespace(notBefore: first)
            if namespace.refs.insert(ref).inserted { namespace.notBefore = min(namespace.notBefore, first) }
            namespaces[ref.namespace] = namespace
        }
    }

    /// Another envelope was opened. Returns the objects that are to be tried again now.
    func takeDueRetries(now: Instant = .now) -> [ObjectRef] {
        namespaces.withLock { namespaces in
            var due: [ObjectRef] = []
            for (name, namespace) in namespaces where now >= namespace.notBefore {
                due += namespace.refs
                let pause = min(namespace.pause * 2, Self.maximumDelay)
                namespaces[name]?.pause = pause
                namespaces[name]?.notBefore = now + pause
            }
            return due
        }
    }

    /// All of them: the KMS has recovered.
    var all: [ObjectRef] { namespaces.withLock { $0.values.flatMap(\.refs) } }

    /// `ref` was opened, or does not exist any more.
    func remove(_ ref: ObjectRef) {
        namespaces.withLock { namespaces in
            namespaces[ref.namespace]?.refs.remove(ref)
            if namespaces[ref.namespace]?.refs.isEmpty == true { namespaces[ref.namespace] = nil }
        }
    }
}
