import HeapModule

/// The work queue's rules, without locks and without a clock of its own: what is waiting, what is being
/// worked on, and what comes later. The semantics are client-go's:
///
/// - a key is worked on by one worker at a time;
/// - adding a key any number of times before it is taken makes one run of it;
/// - adding it while it is being worked on makes exactly one more run, afterwards;
/// - a delayed add keeps the earliest time that was asked for, and an immediate one takes its place: whoever
///   runs sees all there is to see, and asks for another delay if it needs one.
///
/// Beyond client-go, flows take turns: the keys of a namespace wait behind each other, not behind all of another's.
struct WorkQueueMachine<Key: Hashable & Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Which of the queues a key waits in. Keys that hold something which others wait for go first, and changes go ahead
    /// of the backlog of a start.
    enum Lane: Sendable { case reserved, change, backlog }

    private struct Failures: Sendable {
        let first: Duration
        let count: Int
    }

    private struct Delayed: Comparable, Sendable {
        let due: Instant
        let order: UInt64
        let key: Key

        static func == (left: Self, right: Self) -> Bool { left.order == right.order }
        static func < (left: Self, right: Self) -> Bool {
            (left.due, left.order) < (right.due, right.order)
        }
    }

    /// An entry counts while `waiting` has its key for this lane and `processing` does not have it; others,
    /// left behind by a change of lane, are void and skipped.
    private var granted = FairQueue<Key>()
    private var changes = FairQueue<Key>()
    private var backlog = FairQueue<Key>()
    /// Keys that are to run: queued, or, when also in `processing`, as soon as that is over.
    private var waiting: [Key: Lane] = [:]
    /// How many of them each flow has.
    private var depths: [String: Int] = [:]
    private let flow: @Sendable (Key) -> String
    private var processing: Set<Key> = []
    private var heap = Heap<Delayed>()
    /// The time that counts for a delayed key; entries of `heap` with another one are void.
    private var due: [Key: Instant] = [:]
    private var failures: [Key: Failures] = [:]
    private var order: UInt64 = 0
    /// Taken from the backlog one time in `backlogShare`, so that a stream of changes cannot starve it.
    private var taken = 0
    private static var backlogShare: Int { 8 }
    private(set) var isShutDown = false
    /// Is told what happens; must be quick.
    var observe: (@Sendable (WorkQueueEvent<Key>) -> Void)?

    /// - Parameter flow: of a key; those of one flow wait behind each other.
    init(flow: @escaping @Sendable (Key) -> String = { _ in "" }) {
        self.flow = flow
    }

    /// Keys that are to run.
    var count: Int { waiting.count }

    /// Keys that are to run, no more than `limit`, and of each flow no more than `share` allows. Looks at `limit`
    /// flows at most.
    func count(upTo limit: Int, share: (String) -> Int) -> Int {
        var count = 0
        for (flow, depth) in depths.prefix(limit) where count < limit { count += min(depth, share(flow)) }
        return min(count, limit)
    }

    mutating func add(_ key: Key, _ lane: Lane = .change) {
        guard !isShutDown else { return }
        due[key] = nil
        // What waits in a lane behind this one moves ahead; nothing moves back.
        guard waiting[key].map({ lane.rank < $0.rank }) ?? true else { return }
        if waiting.updateValue(lane, forKey: key) == nil {
            depths[flow(key), default: 0] += 1
            observe?(.added(key))
        }
        if !processing.contains(key) { enqueue(key, lane) }
    }

    /// Runs `key` at `instant`, unless it is to run earlier anyway.
    mutating func add(_ key: Key, at instant: Instant) {
        guard !isShutDown else { return }
        if let known = due[key], known <= instant { return }
        due[key] = instant
        order += 1
        heap.insert(Delayed(due: instant, order: order, key: key))
    }

    /// Moves what is due into the queue. Returns when the next is due.
    mutating func promoteDueKeys(now: Instant) -> Instant? {
        while let first = heap.min {
            guard due[first.key] == first.due else {
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
        taken += 1
        let backlogFirst = taken.isMultiple(of: Self.backlogShare)
        let lanes: [Lane] = backlogFirst ? [.reserved, .backlog, .change] : [.reserved, .change, .backlog]
        var found: Key?
        for lane in lanes where found == nil { found = pop(lane) }
        guard let key = found else { return nil }
        waiting[key] = nil
        leave(flow(key))
        processing.insert(key)
        observe?(.taken(key))
        return key
    }

    /// Puts `key` back into its lane when it was added meanwhile.
    mutating func done(_ key: Key) {
        processing.remove(key)
        observe?(.finished(key))
        if let lane = waiting[key] { enqueue(key, lane) }
    }

    /// Counts one more failure of `key` and returns how many that makes of the same kind, one after the other.
    ///
    /// - Parameter first: the first pause after failures of this kind.
    mutating func recordFailure(_ key: Key, from first: Duration) -> Int {
        let known = failures[key].flatMap { $0.first == first ? $0.count : nil } ?? 0
        failures[key] = Failures(first: first, count: known + 1)
        observe?(.failed(key))
        return known + 1
    }

    /// Forgets failures, and nothing else.
    mutating func forget(_ key: Key) {
        failures[key] = nil
    }

    /// Nothing is taken in any more. What waits is dropped; what is being worked on goes on.
    mutating func shutDown() {
        isShutDown = true
        granted.removeAll()
        changes.removeAll()
        backlog.removeAll()
        waiting.removeAll()
        depths.removeAll()
        due.removeAll()
        heap = Heap()
    }

    private mutating func enqueue(_ key: Key, _ lane: Lane) {
        switch lane {
        case .reserved: granted.append(key, to: flow(key))
        case .change: changes.append(key, to: flow(key))
        case .backlog: backlog.append(key, to: flow(key))
        }
    }

    private mutating func leave(_ flow: String) {
        let depth = depths[flow, default: 1] - 1
        depths[flow] = depth > 0 ? depth : nil
    }

    private mutating func pop(_ lane: Lane) -> Key? {
        while let key = popFirst(lane) {
            if waiting[key] == lane, !processing.contains(key) { return key }
        }
        return nil
    }

    private mutating func popFirst(_ lane: Lane) -> Key? {
        switch lane {
        case .reserved: granted.popFirst()
        case .change: changes.popFirst()
        case .backlog: backlog.popFirst()
        }
    }
}

extension WorkQueueMachine.Lane {
    /// Lower goes first.
    fileprivate var rank: Int {
        switch self {
        case .reserved: 0
        case .change: 1
        case .backlog: 2
        }
    }
}
