import KubeClient

/// Which events are sent, decided without I/O and without a clock: the same again raises a count, at most every
/// `repetition`; an object and a namespace have budgets, and all together have one, in which namespaces take turns; what
/// does not fit is dropped and counted.
struct EventCorrelator<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    struct Limits: Sendable {
        /// Different events of one object at once, and how long until one more.
        var objectBurst = 10
        var objectInterval = Duration.seconds(60)
        /// New events of one namespace at once, and how long until one more.
        var namespaceBurst = 100
        var namespaceInterval = Duration.seconds(1)
        var totalBurst = 50
        var totalInterval = Duration.milliseconds(50)
        /// Of those that wait to be sent.
        var maximumPending = 1000
        /// The same for one namespace, so that it leaves room for others.
        var maximumPendingPerNamespace = 200
        /// Of those that are remembered in order to raise their count.
        var maximumSeries = 4096
        /// The same event is sent again after this long, with the count of what was meanwhile. API servers keep
        /// an event for an hour.
        var repeatInterval = Duration.seconds(600)
    }

    /// What to send: a new event, or the count of one that was sent under `name`.
    struct Post: Equatable, Sendable {
        var record: EventRecord
        var name: String?
        var count: Int
        var firstTimestamp: String
        var lastTimestamp: String
    }

    enum Next: Equatable, Sendable {
        case send(Post)
        case wait(until: Instant)
        case idle
    }

    private struct Series: Sendable {
        var name: String?
        var count = 0
        var first: String
        var last: String
        var sent: Instant?
        var isWaiting = false
    }

    private let limits: Limits
    private var series: [EventRecord: Series] = [:]
    private var waiting = FairQueue<EventRecord>()
    /// How many wait, by namespace.
    private var depths: [String: Int] = [:]
    private var waitingCount = 0
    private var budgets: [EventRecord.Subject: EventTokenBucket<Instant>] = [:]
    private var namespaces: [String: EventTokenBucket<Instant>] = [:]
    private var total: EventTokenBucket<Instant>
    private(set) var droppedCount = 0

    /// How many it would know again.
    var seriesCount: Int { series.count }

    init(_ limits: Limits = Limits(), now: Instant) {
        self.limits = limits
        total = EventTokenBucket(burst: limits.totalBurst, pause: limits.totalInterval, now: now)
    }

    /// - Parameter time: the same instant, as people write it.
    mutating func record(_ note: EventRecord, at now: Instant, time: String) {
        if series[note] == nil {
            guard hasRoom(for: note), spend(note.involvedObject, now) else {
                droppedCount += 1
                return
            }
            makeRoom(now)
        }
        var known = series[note] ?? Series(first: time, last: time)
        known.count += 1
        known.last = time
        let isDue = known.sent.map { now >= $0.advanced(by: limits.repeatInterval) } ?? true
        if isDue, !known.isWaiting, hasRoom(for: note) {
            known.isWaiting = true
            waiting.append(note, to: note.involvedObject.ref.namespace)
            depths[note.involvedObject.ref.namespace, default: 0] += 1
            waitingCount += 1
        }
        series[note] = known
    }

    mutating func next(at now: Instant) -> Next {
        guard waitingCount > 0 else { return .idle }
        guard total.takeToken(at: now) else { return .wait(until: total.nextTokenAt) }
        guard let note = waiting.popFirst() else { return .idle }
        leave(note.involvedObject.ref.namespace)
        guard var known = series[note] else { return next(at: now) }
        known.isWaiting = false
        known.sent = now
        series[note] = known
        return .send(
            Post(
                record: note, name: known.name, count: known.count, firstTimestamp: known.first,
                lastTimestamp: known.last))
    }

    /// It stands on the API server under this name.
    mutating func recordSent(_ note: EventRecord, as name: String) {
        series[note]?.name = name
    }

    /// It is made anew when it comes again.
    mutating func recordFailure(_ note: EventRecord) {
        droppedCount += 1
        if series[note]?.isWaiting == false { series[note] = nil }
    }

    private func hasRoom(for note: EventRecord) -> Bool {
        waitingCount < limits.maximumPending
            && depths[note.involvedObject.ref.namespace, default: 0] < limits.maximumPendingPerNamespace
    }

    private mutating func leave(_ namespace: String) {
        waitingCount -= 1
        let depth = depths[namespace, default: 1] - 1
        depths[namespace] = depth > 0 ? depth : nil
    }

    /// Uses one event of the object's budget and one of its namespace's.
    private mutating func spend(_ subject: EventRecord.Subject, _ now: Instant) -> Bool {
        var object =
            budgets[subject]
            ?? EventTokenBucket(burst: limits.objectBurst, pause: limits.objectInterval, now: now)
        var namespace =
            namespaces[subject.ref.namespace]
            ?? EventTokenBucket(burst: limits.namespaceBurst, pause: limits.namespaceInterval, now: now)
        defer {
            budgets[subject] = object
            namespaces[subject.ref.namespace] = namespace
        }
        return object.takeToken(at: now) && namespace.takeToken(at: now)
    }

    private mutating func makeRoom(_ now: Instant) {
        if series.count >= limits.maximumSeries {
            let before = series.count
            series = series.filter { _, known in
                known.isWaiting || known.sent.map { now < $0.advanced(by: limits.repeatInterval) } ?? false
            }
            if series.count > before / 2 { series = series.filter { $0.value.isWaiting } }
        }
        if budgets.count >= limits.maximumSeries {
            budgets = budgets.filter { !$0.value.isFull(at: now) }
            // Rather a few events too many than a memory without bounds.
            if budgets.count >= limits.maximumSeries { budgets = [:] }
        }
        if namespaces.count >= limits.maximumSeries {
            namespaces = namespaces.filter { !$0.value.isFull(at: now) }
        }
    }
}
