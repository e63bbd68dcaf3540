import Concurrency
import DequeModule
import KubeClient
import System

/// Limits how many Secrets are verified by unwrapping, and how many statuses record a verification; see `VerificationTurns`. A
/// change of every Secret at once (a new encryption key of etcd, a label on all of them) then becomes no burst of requests to
/// the KMS. Safe to use from any thread.
final class VerificationPacer: Sendable {
    static let objectsPerSecond = VerificationTurns.objectsPerSecond

    private let turns = Locked(VerificationTurns())

    /// Returns when the object has to ask again, or nil if its turn has come. The turn lasts until `forget`, so that an object
    /// that is throttled by another limit meanwhile takes no second one.
    func nextTurn(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> ContinuousClock.Instant? {
        turns.withLock { $0.nextTurn(ref, now: now) }
    }

    /// Ends the turn of an object, or removes it from the queue.
    func forget(_ ref: ObjectRef) {
        turns.withLock { $0.forget(ref) }
    }
}

/// One token bucket for all objects, with a FIFO queue of the objects of each namespace that wait. Namespaces take turns: one
/// with ten thousand objects delays those of another one by one turn each. A pure state machine: the caller passes the time.
///
/// An object without a token gets the time at which those before it and itself have tokens, and has to ask again then. Until
/// then a token is kept for it. The time is an estimate: objects before it may leave the queue, and other namespaces may enter
/// it. An object that does not ask in time keeps its position, and no token is kept for it until it asks.
struct VerificationTurns: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Waiting: Sendable {
        let ticket: UInt64
        /// When the object has to ask again.
        var until: Instant
    }

    private struct Flow: Sendable {
        /// The number of the turn: the lowest is next.
        var turn: UInt64
        /// The objects for which tokens are kept, in the order of their tickets.
        var queue: Deque<Waiting> = []

        /// Returns the number of objects before `ticket`.
        func position(of ticket: UInt64) -> Int { queue.partitioningIndex { $0.ticket >= ticket } }

        mutating func put(_ waiting: Waiting) {
            let position = position(of: waiting.ticket)
            if hasTicket(waiting.ticket, at: position) {
                queue[position].until = waiting.until
            } else {
                queue.insert(waiting, at: position)
            }
        }

        mutating func remove(_ ticket: UInt64) {
            let position = position(of: ticket)
            if hasTicket(ticket, at: position) { queue.remove(at: position) }
        }

        private func hasTicket(_ ticket: UInt64, at position: Int) -> Bool {
            position < queue.count && queue[position].ticket == ticket
        }
    }

    static let objectsPerSecond = 20
    /// The longest wait before an object asks again.
    static let maximumWait = UnwrapRateLimiterMachine.maximumWait
    /// The time after `until` in which a token is kept for an object: it may have to wait for a worker.
    static let tolerance = Duration.seconds(2)

    private static let interval = Duration.seconds(1) / objectsPerSecond
    /// An object with this many before it has to wait for longer than `maximumWait`, however many tokens there are.
    private static let maximumRank = Int(maximumWait / interval) + objectsPerSecond

    private var tokens: TokenBucket<Instant>
    /// The objects whose turn has come and is not over.
    private var started: Set<ObjectRef> = []
    /// The tickets of the objects that wait.
    private var tickets: [ObjectRef: UInt64] = [:]
    /// The namespaces of waiting objects.
    private var flows: [String: Flow] = [:]
    private var lastNumber: UInt64 = 0
    private var nextCleanup: Instant

    init(now: Instant = .now) {
        tokens = TokenBucket(capacity: Self.objectsPerSecond, interval: Self.interval, now: now)
        nextCleanup = now
    }

    /// The number of objects that are remembered.
    var count: Int { started.count + tickets.count }

    /// Returns nil if the turn of the object has come, or when the object has to ask again.
    mutating func nextTurn(_ ref: ObjectRef, now: Instant) -> Instant? {
        guard !started.contains(ref) else { return nil }
        removeOverdueObjects(now: now)
        let ticket = tickets[ref] ?? nextNumber()
        // The queue is not copied into a variable, because a change would copy all of it then.
        let turn = flows[ref.namespace]?.turn ?? nextNumber()
        let position = flows[ref.namespace]?.position(of: ticket) ?? 0
        let due = tokens.time(ofTokens: rank(position, turn: turn) + 1)
        if due <= now, tokens.take(at: now) {
            forget(ref)
            started.insert(ref)
            let nextTurn = nextNumber()
            flows[ref.namespace]?.turn = nextTurn
            return nil
        }
        let until = min(due, now + Self.maximumWait)
        tickets[ref] = ticket
        flows[ref.namespace, default: Flow(turn: turn)].put(Waiting(ticket: ticket, until: until))
        return until
    }

    /// Ends the turn of an object, or removes it from the queue.
    mutating func forget(_ ref: ObjectRef) {
        started.remove(ref)
        guard let ticket = tickets.removeValue(forKey: ref) else { return }
        flows[ref.namespace]?.remove(ticket)
        if flows[ref.namespace]?.queue.isEmpty == true { flows[ref.namespace] = nil }
    }

    /// Returns the number of objects that have their turn before the one at `position` of the namespace with this turn, or
    /// `maximumRank` if there are more.
    private func rank(_ position: Int, turn: UInt64) -> Int {
        var rank = position
        for other in flows.values where other.turn != turn {
            guard rank < Self.maximumRank else { break }
            rank += min(other.queue.count, other.turn < turn ? position + 1 : position)
        }
        return min(rank, Self.maximumRank)
    }

    /// Stops keeping tokens for objects that did not ask in time, once a second.
    private mutating func removeOverdueObjects(now: Instant) {
        guard now >= nextCleanup else { return }
        nextCleanup = now + .seconds(1)
        for namespace in flows.keys {
            flows[namespace]?.queue.removeAll { $0.until + Self.tolerance < now }
        }
        flows = flows.filter { !$0.value.queue.isEmpty }
    }

    /// Returns a number for a ticket or a turn.
    private mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }
}
