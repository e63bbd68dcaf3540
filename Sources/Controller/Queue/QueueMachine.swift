import DequeModule
import HeapModule

/// The work queue's rules, without locks and without a clock of its own: what is waiting, what is being
/// worked on, and what comes later. The semantics are client-go's:
///
/// - a key is worked on by one worker at a time;
/// - adding a key any number of times before it is taken makes one run of it;
/// - adding it while it is being worked on makes exactly one more run, afterwards;
/// - a delayed add keeps the earliest time that was asked for.
struct QueueMachine<Key: Hashable & Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Which of two queues a key waits in. Changes go ahead of the backlog of a start.
    enum Lane: Sendable { case change, backlog }

    private struct Delayed: Comparable, Sendable {
        let due: Instant
        let order: UInt64
        let key: Key

        static func == (left: Self, right: Self) -> Bool { left.order == right.order }
        static func < (left: Self, right: Self) -> Bool {
            (left.due, left.order) < (right.due, right.order)
        }
    }

    /// Every key in a lane is in `waiting`, and none of them is in `processing`.
    private var changes: Deque<Key> = []
    private var backlog: Deque<Key> = []
    /// Keys that are to run: queued, or, when also in `processing`, as soon as that is over.
    private var waiting: [Key: Lane] = [:]
    private var processing: Set<Key> = []
    private var heap = Heap<Delayed>()
    /// The time that counts for a delayed key; entries of `heap` with another one are void.
    private var due: [Key: Instant] = [:]
    private var failures: [Key: Int] = [:]
    private var order: UInt64 = 0
    /// Taken from the backlog one time in `backlogShare`, so that a stream of changes cannot starve it.
    private var taken = 0
    private static var backlogShare: Int { 8 }
    private(set) var isShutDown = false

    var isEmpty: Bool { waiting.isEmpty && processing.isEmpty }
    var count: Int { waiting.count }
    var processingCount: Int { processing.count }

    /// Returns whether there is something new to take.
    mutating func add(_ key: Key, _ lane: Lane = .change) -> Bool {
        guard !isShutDown else { return false }
        due[key] = nil
        if let known = waiting[key] {
            // A change of what waits in the backlog moves it ahead; its old place there becomes void.
            guard known == .backlog, lane == .change else { return false }
            waiting[key] = .change
            if processing.contains(key) { return false }
            changes.append(key)
            return false
        }
        waiting[key] = lane
        guard !processing.contains(key) else { return false }
        enqueue(key, lane)
        return true
    }

    /// Runs `key` at `instant`, unless it is to run earlier anyway.
    mutating func add(_ key: Key, at instant: Instant) {
        guard !isShutDown else { return }
        if let known = due[key], known <= instant { return }
        due[key] = instant
        order += 1
        heap.insert(Delayed(due: instant, order: order, key: key))
    }

    /// Moves what is due into the queue. Returns how many there are to take, and when the next is due.
    mutating func promote(now: Instant) -> (ready: Int, next: Instant?) {
        var ready = 0
        while let first = heap.min {
            guard due[first.key] == first.due else {
                heap.removeMin()
                continue
            }
            guard first.due <= now else { return (ready, first.due) }
            heap.removeMin()
            if add(first.key) { ready += 1 }
        }
        return (ready, nil)
    }

    mutating func take() -> Key? {
        taken += 1
        let backlogFirst = taken.isMultiple(of: Self.backlogShare)
        guard let key = backlogFirst ? pop(.backlog) ?? pop(.change) : pop(.change) ?? pop(.backlog) else {
            return nil
        }
        waiting[key] = nil
        processing.insert(key)
        return key
    }

    /// Returns whether `key` is to be taken again.
    mutating func done(_ key: Key) -> Bool {
        processing.remove(key)
        guard let lane = waiting[key] else { return false }
        enqueue(key, lane)
        return true
    }

    /// Counts one more failure of `key` and returns how many that makes.
    mutating func fail(_ key: Key) -> Int {
        failures[key, default: 0] += 1
        return failures[key, default: 0]
    }

    /// Forgets failures, and nothing else.
    mutating func forget(_ key: Key) {
        failures[key] = nil
    }

    /// Nothing is taken in any more. What waits is dropped; what is being worked on goes on.
    mutating func shutDown() {
        isShutDown = true
        changes.removeAll()
        backlog.removeAll()
        waiting.removeAll()
        due.removeAll()
        heap = Heap()
    }

    private mutating func enqueue(_ key: Key, _ lane: Lane) {
        if lane == .change { changes.append(key) } else { backlog.append(key) }
    }

    private mutating func pop(_ lane: Lane) -> Key? {
        while let key = lane == .change ? changes.popFirst() : backlog.popFirst() {
            if waiting[key] == lane { return key }
        }
        return nil
    }
}
