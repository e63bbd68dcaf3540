import Concurrency
import KubeClient

/// Decides which events are sent, as the event correlator of client-go does. A pure state machine: the caller passes the
/// time.
///
/// An event that repeats becomes a series, whose count is sent at most once per `repeatInterval`. Token buckets limit each
/// object, each namespace and the total; namespaces take turns. Events beyond the limits are dropped and counted: when too many
/// wait, those of the namespace that has most.
struct EventCorrelator<Instant: InstantProtocol & Sendable>: Sendable where Instant.Duration == Duration {
    struct Limits: Sendable {
        /// Different events of one object.
        var objectBurst = 10
        var objectInterval = Duration.seconds(60)
        /// New events of one namespace.
        var namespaceBurst = 100
        var namespaceInterval = Duration.seconds(1)
        /// All requests to the API server.
        var totalBurst = 50
        var totalInterval = Duration.milliseconds(50)
        /// Events that wait to be sent.
        var maximumPending = 1000
        /// Events of one namespace that wait to be sent, so that it leaves room for others.
        var maximumPendingPerNamespace = 200
        /// Events that are remembered in order to raise their count.
        var maximumSeries = 4096
        /// The time after which a repeated event is sent again, with its count. API servers keep an event for an hour.
        var repeatInterval = Duration.seconds(600)
    }

    /// An event to send: a new one, or the new count of the one that was created as `name`.
    struct PendingEvent: Equatable, Sendable {
        var record: EventRecord
        var name: String?
        var count: Int
        var firstTimestamp: String
        var lastTimestamp: String
    }

    enum Next: Equatable, Sendable {
        case send(PendingEvent)
        case wait(until: Instant)
        case idle
    }

    private struct Series: Sendable {
        var name: String?
        var count = 0
        var firstTimestamp: String
        var lastTimestamp: String
        var sent: Instant?
        var isPending = false
    }

    private let limits: Limits
    private var series: [EventRecord: Series] = [:]
    private var pending = FairQueue<EventRecord>()
    private var objectBuckets: [EventRecord.InvolvedObject: TokenBucket<Instant>] = [:]
    private var namespaceBuckets: [String: TokenBucket<Instant>] = [:]
    private var totalBucket: TokenBucket<Instant>
    private(set) var droppedCount = 0

    /// The number of series that are remembered.
    var seriesCount: Int { series.count }

    init(_ limits: Limits = Limits(), now: Instant) {
        self.limits = limits
        totalBucket = TokenBucket(
            capacity: limits.totalBurst, interval: limits.totalInterval, now: now)
    }

    /// Counts an event, and queues it if it is new or due again.
    ///
    /// - Parameter timestamp: the instant `now` in the format of the event.
    mutating func record(_ record: EventRecord, at now: Instant, timestamp: String) {
        let isNew = series[record] == nil
        if isNew {
            guard takeTokens(for: record.involvedObject, now) else {
                droppedCount += 1
                return
            }
            removeOldEntries(now)
        }
        var known = series[record] ?? Series(firstTimestamp: timestamp, lastTimestamp: timestamp)
        known.count += 1
        known.lastTimestamp = timestamp
        let isDue = known.sent.map { now >= $0.advanced(by: limits.repeatInterval) } ?? true
        if isDue, !known.isPending, makeRoom(for: record) {
            known.isPending = true
            pending.append(record, to: record.involvedObject.ref.namespace)
        } else if isNew {
            droppedCount += 1
            return
        }
        series[record] = known
    }

    /// Returns the next event to send, or the time of the next token.
    mutating func next(at now: Instant) -> Next {
        guard pending.count > 0 else { return .idle }
        guard totalBucket.take(at: now) else { return .wait(until: totalBucket.time()) }
        guard let record = pending.popFirst() else { return .idle }
        guard var known = series[record] else { return next(at: now) }
        known.isPending = false
        known.sent = now
        series[record] = known
        return .send(
            PendingEvent(
                record: record, name: known.name, count: known.count, firstTimestamp: known.firstTimestamp,
                lastTimestamp: known.lastTimestamp))
    }

    /// Returns true if the event waits to be sent.
    func isPending(_ record: EventRecord) -> Bool { series[record]?.isPending ?? false }

    /// Remembers the name under which the API server stores the event.
    mutating func recordSent(_ record: EventRecord, as name: String) {
        series[record]?.name = name
    }

    /// Ends the series: the next occurrence creates a new event.
    mutating func recordFailure(_ record: EventRecord) {
        droppedCount += 1
        if series[record]?.isPending == false { series[record] = nil }
    }

    /// Returns true if the event may wait. If too many wait, it takes the place of one of the namespace that has most.
    private mutating func makeRoom(for record: EventRecord) -> Bool {
        let waiting = pending.count(of: record.involvedObject.ref.namespace)
        guard waiting < limits.maximumPendingPerNamespace else { return false }
        guard pending.count >= limits.maximumPending else { return true }
        guard let longest = pending.longestFlow, pending.count(of: longest) > waiting + 1,
            let dropped = pending.popLast(of: longest)
        else { return false }
        droppedCount += 1
        series[dropped]?.isPending = false
        // One that was never sent has no count that could be raised.
        if series[dropped]?.name == nil { series[dropped] = nil }
        return true
    }

    /// Takes a token of the object and one of its namespace.
    private mutating func takeTokens(for involvedObject: EventRecord.InvolvedObject, _ now: Instant) -> Bool {
        let namespace = involvedObject.ref.namespace
        var object =
            objectBuckets[involvedObject]
            ?? TokenBucket(capacity: limits.objectBurst, interval: limits.objectInterval, now: now)
        var shared =
            namespaceBuckets[namespace]
            ?? TokenBucket(
                capacity: limits.namespaceBurst, interval: limits.namespaceInterval, now: now)
        defer {
            objectBuckets[involvedObject] = object
            namespaceBuckets[namespace] = shared
        }
        return object.take(at: now) && shared.take(at: now)
    }

    private mutating func removeOldEntries(_ now: Instant) {
        if series.count >= limits.maximumSeries {
            let before = series.count
            series = series.filter { _, known in
                known.isPending || known.sent.map { now < $0.advanced(by: limits.repeatInterval) } ?? false
            }
            if series.count > before / 2 { series = series.filter { $0.value.isPending } }
        }
        if objectBuckets.count >= limits.maximumSeries {
            objectBuckets = objectBuckets.filter { !$0.value.isFull(at: now) }
            // A few events beyond the limit are better than memory without a bound.
            if objectBuckets.count >= limits.maximumSeries { objectBuckets = [:] }
        }
        if namespaceBuckets.count >= limits.maximumSeries {
            namespaceBuckets = namespaceBuckets.filter { !$0.value.isFull(at: now) }
        }
    }
}
