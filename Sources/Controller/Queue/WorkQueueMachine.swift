import Concurrency
import HeapModule

/// The rules of the work queue as a pure state machine: the caller locks it and passes the time. They are client-go's:
///
/// - one worker at a time processes a key;
/// - any number of adds of a key before it is taken cause one run;
/// - any number of adds while it is processed cause exactly one more run afterwards;
/// - of several delayed adds the earliest counts; an immediate add cancels it, because the run sees the present state and
///   requeues the key if it needs another delay.
///
/// Beyond client-go, flows take turns: the keys of a namespace wait for each other, and not for all of another namespace.
struct WorkQueueMachine<Key: Hashable & Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The priority of a key. Keys with reserved memory, for which others wait, go first; changes go ahead of the backlog of a
    /// start.
    enum Priority: Int, CaseIterable, Sendable { case reserved, change, backlog }

    private struct Delayed: Comparable, Sendable {
        let due: Instant
        let order: UInt64
        let key: Key

        static func == (left: Self, right: Self) -> Bool { left.order == right.order }
        static func < (left: Self, right: Self) -> Bool {
            (left.due, left.order) < (right.due, right.order)
        }
    }

    private struct Due: Sendable {
        let instant: Instant
        let order: UInt64
    }

    /// One queue for each priority. An entry is valid while `waiting` has its key with this priority and `processing` does
    /// not contain it; a key that changed its priority leaves an invalid entry, which is skipped.
    private var queues = Priority.allCases.map { _ in FairQueue<Key>() }
    /// The keys to run: they are queued, or will be at the end of their processing.
    private var waiting: [Key: Priority] = [:]
    /// The number of waiting keys of each flow.
    private var depths: [String: Int] = [:]
    private let flow: @Sendable (Key) -> String
    private var processing: Set<Key> = []
    private var heap = Heap<Delayed>()
    /// The valid entry of `heap` for each delayed key.
    private var due: [Key: Due] = [:]
    private var failures: [Key: Backoff] = [:]
    private var order: UInt64 = 0
    /// One key in `backlogShare` comes from the backlog first, so that a stream of changes cannot starve it.
    private var takenCount = 0
    private static var backlogShare: Int { 8 }
    private static var toleratedEntries: Int { 64 }
    private(set) var isShutDown = false
    /// Called under the lock of the queue; it must not block.
    var observe: (@Sendable (WorkQueueEvent<Key>) -> Void)?

    init(flow: @escaping @Sendable (Key) -> String = { _ in "" }) {
        self.flow = flow
    }

    /// The number of keys to run.
    var count: Int { waiting.count }

    /// The number of remembered delays, of which some may be invalid.
    var delayCount: Int { heap.count }

    /// Returns the number of keys to run, at most `limit`, and at most `share` of each flow. It counts at most `limit` flows.
    func count(upTo limit: Int, share: (String) -> Int) -> Int {
        var count = 0
        for (flow, depth) in depths.prefix(limit) where count < limit { count += min(depth, share(flow)) }
        return min(count, limit)
    }

    mutating func add(_ key: Key, _ priority: Priority = .change) {
        guard !isShutDown else { return }
        due[key] = nil
        // An add can raise the priority of a waiting key and never lowers it.
        guard waiting[key].map({ priority.rawValue < $0.rawValue }) ?? true else { return }
        if waiting.updateValue(priority, forKey: key) == nil {
            depths[flow(key), default: 0] += 1
            observe?(.added(key))
        }
        if !processing.contains(key) { enqueue(key, priority) }
    }

    /// Runs `key` at `instant`, or earlier if an earlier delayed add exists.
    mutating func add(_ key: Key, at instant: Instant) {
        guard !isShutDown else { return }
        if let known = due[key], known.instant <= instant { return }
        order += 1
        due[key] = Due(instant: instant, order: order)
        heap.insert(Delayed(due: instant, order: order, key: key))
        dropInvalidDelays()
    }

    /// Immediate and earlier adds leave invalid entries, which a key that is changed all the while would pile up until their time.
    private mutating func dropInvalidDelays() {
        guard heap.count > 2 * due.count + Self.toleratedEntries else { return }
        heap = Heap(heap.unordered.filter { due[$0.key]?.order == $0.order })
    }

    /// Queues the delayed keys that are due. Returns when the next one is due.
    mutating func promoteDueKeys(now: Instant) -> Instant? {
        while let first = heap.min {
            guard due[first.key]?.order == first.order else {
                heap.removeMin()
                continue
            }
            guard first.due <= now else { return first.due }
            heap.removeMin()
            add(first.key)
        }
        return nil
    }

    mutating func take() -> Key? {
        takenCount += 1
        let backlogFirst = takenCount.isMultiple(of: Self.backlogShare)
        let order: [Priority] =
            backlogFirst ? [.reserved, .backlog, .change] : [.reserved, .change, .backlog]
        var found: Key?
        for priority in order where found == nil { found = pop(priority) }
        guard let key = found else { return nil }
        waiting[key] = nil
        decrementDepth(flow(key))
        processing.insert(key)
        observe?(.taken(key))
        return key
    }

    /// Ends the processing of `key`, and queues it again if it was added meanwhile.
    mutating func done(_ key: Key) {
        processing.remove(key)
        observe?(.finished(key))
        if let priority = waiting[key] { enqueue(key, priority) }
    }

    /// Counts a failure of `key`. Half of the delay is fixed, so that a failing key does not return at once, and half is
    /// random, so that many do not return together.
    ///
    /// - Parameters:
    ///   - first: the initial delay. A failure with another one than the last starts a new backoff.
    ///   - random: a number from 0 up to 1 for the jitter.
    /// - Returns: the delay of the exponential backoff.
    mutating func recordFailure(
        _ key: Key, from first: Duration, maximum: Duration, random: Double
    ) -> Duration {
        let known = failures[key].flatMap { $0.base == first ? $0 : nil }
        var backoff = known ?? Backoff(base: first, maximum: maximum, jitter: .half)
        defer { failures[key] = backoff }
        observe?(.failed(key))
        return backoff.next(random: random)
    }

    /// Resets the failures of `key`.
    mutating func forget(_ key: Key) {
        failures[key] = nil
    }

    /// Drops all waiting keys and rejects new ones. Processing continues.
    mutating func shutDown() {
        isShutDown = true
        queues = queues.map { _ in FairQueue() }
        waiting.removeAll()
        depths.removeAll()
        due.removeAll()
        heap = Heap()
    }

    private mutating func enqueue(_ key: Key, _ priority: Priority) {
        queues[priority.rawValue].append(key, to: flow(key))
    }

    private mutating func decrementDepth(_ flow: String) {
        let depth = depths[flow, default: 1] - 1
        depths[flow] = depth > 0 ? depth : nil
    }

    private mutating func pop(_ priority: Priority) -> Key? {
        let (waiting, processing) = (self.waiting, self.processing)
        return queues[priority.rawValue].popFirst { waiting[$0] == priority && !processing.contains($0) }
    }
}

/// An event of a key, for the observer of a queue.
enum WorkQueueEvent<Key: Sendable>: Sendable {
    /// A key that did not wait was added.
    case added(Key)
    case taken(Key)
    case finished(Key)
    /// The key failed and will be retried.
    case failed(Key)
}
