import Concurrency
import DequeModule
import KubeClient
import System

/// Objects whose envelope could not be opened. Mostly the object is at fault, and only a change of it helps. A KMS that
/// returns wrong data keys for a while looks the same, so these objects are retried after another envelope was opened,
/// with growing delays for each namespace, and a few at a time. Safe to use from any thread.
final class RejectedEnvelopes: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Namespace {
        var refs: Set<ObjectRef> = []
        /// Objects that were rejected for the first time, with the time of their first retry, in its order.
        var added: Deque<(ref: ObjectRef, due: Instant)> = []
        /// The objects of the present round of retries that were not returned yet.
        var round: [ObjectRef] = []
        var backoff = Backoff(base: initialDelay, maximum: maximumDelay, jitter: .none)
        var notBefore: Instant

        init(now: Instant) { notBefore = now + backoff.next() }

        mutating func insert(_ ref: ObjectRef, due: Instant) {
            guard refs.insert(ref).inserted else { return }
            added.append((ref, due))
            // Objects that are deleted and created again all the while leave entries.
            guard added.count > 2 * refs.count + Self.toleratedEntries else { return }
            var known: Set<ObjectRef> = []
            added = added.filter { refs.contains($0.ref) && known.insert($0.ref).inserted }
        }

        private static let toleratedEntries = 64

        /// Returns when the next objects are due, at `now` or later.
        func nextDue(_ now: Instant) -> Instant {
            round.isEmpty ? max(now, min(notBefore, added.first?.due ?? notBefore)) : now
        }

        /// Returns some of the objects that are due.
        mutating func takeDue(_ now: Instant, limit: Int) -> [ObjectRef] {
            if round.isEmpty, now >= notBefore {
                round = Array(refs)
                added = []
                notBefore = now + backoff.next()
            }
            var due: [ObjectRef] = []
            while due.count < limit, let next = added.first, next.due <= now {
                added.removeFirst()
                if refs.contains(next.ref) { due.append(next.ref) }
            }
            while due.count < limit, let next = round.popLast() {
                if refs.contains(next) { due.append(next) }
            }
            return due
        }
    }

    static let initialDelay = Duration.seconds(1)
    static let maximumDelay = Duration.seconds(3600)
    /// The number of objects of one namespace that are retried after one envelope was opened. If they are opened, so are the next.
    static let maximumRetries = 16

    private struct State {
        var namespaces: [String: Namespace] = [:]
        /// No object is due before this time, or ever.
        var earliestDue: Instant?

        mutating func insert(_ ref: ObjectRef, now: Instant) {
            // Removed from the dictionary, so that changing it does not copy it.
            var namespace = namespaces.removeValue(forKey: ref.namespace) ?? Namespace(now: now)
            namespace.insert(ref, due: now + RejectedEnvelopes.initialDelay)
            let due = namespace.nextDue(now)
            earliestDue = earliestDue.map { min($0, due) } ?? due
            namespaces[ref.namespace] = namespace
        }

        mutating func takeDue(_ now: Instant) -> [ObjectRef] {
            guard let earliestDue, earliestDue <= now else { return [] }
            self.earliestDue = nil
            var due: [ObjectRef] = []
            // Changed in place: a copy of the keys would make the first change copy the dictionary.
            var index = namespaces.startIndex
            while index != namespaces.endIndex {
                due += namespaces.values[index].takeDue(now, limit: RejectedEnvelopes.maximumRetries)
                let next = namespaces.values[index].nextDue(now)
                self.earliestDue = min(self.earliestDue ?? next, next)
                namespaces.formIndex(after: &index)
            }
            return due
        }

        mutating func remove(_ ref: ObjectRef) {
            namespaces[ref.namespace]?.refs.remove(ref)
            if namespaces[ref.namespace]?.refs.isEmpty == true { namespaces[ref.namespace] = nil }
        }
    }

    private let state = Locked(State())

    /// Adds an object. One that was not rejected before is retried soon, whatever delay its namespace has. The others of its
    /// namespace are not: a tenant that adds such objects all the while would cause retries of all of them.
    func insert(_ ref: ObjectRef, now: Instant = .now) {
        state.withLock { $0.insert(ref, now: now) }
    }

    /// Returns objects to retry, because the KMS has just unwrapped another data key. Costs nothing if none is due.
    func takeDueRetries(now: Instant = .now) -> [ObjectRef] {
        state.withLock { $0.takeDue(now) }
    }

    var all: [ObjectRef] { state.withLock { $0.namespaces.values.flatMap(\.refs) } }

    /// Removes an object that was opened, or does not exist any more.
    func remove(_ ref: ObjectRef) {
        state.withLock { $0.remove(ref) }
    }
}
