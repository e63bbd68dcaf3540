import KubeClient
import TestSupport
import Testing

@testable import Controller

/// Random events in virtual time: each is counted or dropped once, no limit is exceeded, what waits is sent in the end, and
/// an event gives up its place only if its namespace has more places than any other.
@Suite struct EventCorrelatorPropertyTests {
    @Test func countsEachEventOnceAndKeepsItsLimits() async {
        let violation = await PropertyRun.violation(seeds: 30) { random in
            var run = EventRun(random)
            return run.run()
        }
        #expect(violation == nil)
    }
}

/// Records events and sends them like `EventRecorder`, to a server that fails at times.
private struct EventRun {
    typealias Correlator = EventCorrelator<ManualClock.Instant>

    /// An event that was created, as far as the server and the correlator know it.
    private struct Series {
        var name: String?
        /// The number of occurrences before the series began.
        let earlier: Int
        var count = 0
        var sent: ManualClock.Instant?
    }

    private static let limits: Correlator.Limits = {
        var limits = Correlator.Limits()
        (limits.objectBurst, limits.objectInterval) = (3, .seconds(20))
        (limits.namespaceBurst, limits.namespaceInterval) = (6, .seconds(5))
        (limits.totalBurst, limits.totalInterval) = (4, .seconds(1))
        (limits.maximumPending, limits.maximumPendingPerNamespace) = (8, 5)
        limits.repeatInterval = .seconds(60)
        return limits
    }()

    private var random: SeededGenerator
    private var correlator = Correlator(Self.limits, now: ManualClock.Instant())
    private var now = ManualClock.Instant()
    private var occurrences: [EventRecord: Int] = [:]
    private var series: [EventRecord: Series] = [:]
    private var dropped = 0
    /// The events that wait, in the order in which they came.
    private var waiting: [EventRecord] = []
    /// When new series began, by their object and by their namespace, and when any event was sent.
    private var begun: [String: [ManualClock.Instant]] = [:]
    private var sent: [ManualClock.Instant] = []
    private var problem: String?

    init(_ random: SeededGenerator) {
        self.random = random
    }

    mutating func run() -> String? {
        for _ in 0..<120 where problem == nil {
            now = now.advanced(by: random.milliseconds(random.chance(0.1) ? 0..<90_000 : 0..<2000))
            for _ in 0..<random.number(0..<3) { occur() }
            _ = sendPending()
        }
        now = now.advanced(by: .seconds(100))
        for _ in 0..<5 where !sendPending() { now = now.advanced(by: .seconds(100)) }
        if !sendPending() { fail("events are left") }
        let limits = Self.limits
        check(sent, limits.totalBurst, limits.totalInterval, "all")
        for (name, times) in begun {
            let isObject = name.contains("/")
            check(
                times, isObject ? limits.objectBurst : limits.namespaceBurst,
                isObject ? limits.objectInterval : limits.namespaceInterval, name)
        }
        if correlator.droppedCount != dropped { fail("\(correlator.droppedCount) of \(dropped) are counted") }
        return problem
    }

    private mutating func occur() {
        let namespace = "ns-\(random.number(0..<4))"
        let object = ObjectMeta(name: "db-\(random.number(0..<3))", namespace: namespace, uid: "u")
        let record = EventRecord(.warning, "KMSUnavailable", "\(random.number(0..<3))", about: object)
        let before = correlator.droppedCount
        correlator.record(record, at: now, timestamp: "\(now)")
        let earlier = occurrences[record, default: 0]
        occurrences[record] = earlier + 1
        let waited = waiting.contains(record)
        if correlator.droppedCount > before { dropped += 1 }
        if !waited, correlator.isPending(record) {
            if correlator.droppedCount > before { giveUpPlace(to: namespace) }
            waiting.append(record)
            if waiting.count > Self.limits.maximumPending { fail("\(waiting.count) events wait") }
        } else if correlator.droppedCount > before, series[record] != nil {
            fail("an event of a series is dropped")
        }
        if correlator.isPending(record), series[record] == nil {
            series[record] = Series(earlier: earlier)
            begun["\(object.ref)", default: []].append(now)
            begun[namespace, default: []].append(now)
        }
    }

    /// An event of another namespace has lost its place.
    private mutating func giveUpPlace(to namespace: String) {
        guard let index = waiting.firstIndex(where: { !correlator.isPending($0) }) else {
            return fail("an event is dropped, and all wait")
        }
        let record = waiting.remove(at: index)
        if series[record]?.name == nil { series[record] = nil }
        let counts = Dictionary(grouping: waiting, by: \.involvedObject.ref.namespace).mapValues(\.count)
        let loser = record.involvedObject.ref.namespace
        if waiting[index...].contains(where: { $0.involvedObject.ref.namespace == loser }) {
            fail("an event has lost its place to a later one of its namespace")
        }
        let before = counts[loser, default: 0] + 1
        if let longest = counts.values.max(), longest > before { fail("not the longest queue is cut") }
        if before <= counts[namespace, default: 0] + 1 {
            fail("a namespace takes more places than \(loser) has")
        }
    }

    /// - Returns: True if no event waits any more.
    private mutating func sendPending() -> Bool {
        for _ in 0...Self.limits.totalBurst {
            switch correlator.next(at: now) {
            case .idle: return true
            case .wait(let until):
                if until <= now { fail("waits until \(until), which has passed") }
                return false
            case .send(let event): send(event)
            }
        }
        fail("more events than the burst are sent at once")
        return false
    }

    private mutating func send(_ event: Correlator.PendingEvent) {
        sent.append(now)
        let record = event.record
        waiting.removeAll { $0 == record }
        guard var known = series[record] else { return fail("an unknown event is sent") }
        if event.name != known.name { fail("\(event.name ?? "no name") and not \(known.name ?? "none")") }
        let count = occurrences[record, default: 0] - known.earlier
        if event.count != count { fail("the count is \(event.count) of \(count)") }
        if event.count <= known.count { fail("the count stays at \(event.count)") }
        if let sent = known.sent, sent.duration(to: now) < Self.limits.repeatInterval {
            fail("the count is sent again after \(sent.duration(to: now))")
        }
        guard !random.chance(0.2) else {
            correlator.recordFailure(record)
            dropped += 1
            series[record] = nil
            return
        }
        if known.name == nil {
            known.name = "event-\(sent.count)"
            correlator.recordSent(record, as: "event-\(sent.count)")
        }
        (known.count, known.sent) = (event.count, now)
        series[record] = known
    }

    /// A token bucket lets as many pass as it holds, and those that come back meanwhile.
    private mutating func check(
        _ times: [ManualClock.Instant], _ burst: Int, _ interval: Duration, _ name: String
    ) {
        for first in times.indices {
            for last in first..<min(first + 3 * burst, times.count) {
                let allowed = Double(burst) + times[first].duration(to: times[last]) / interval
                if Double(last - first + 1) > allowed + 1e-6 { fail("\(last - first + 1) events of \(name)") }
            }
        }
    }

    private mutating func fail(_ description: String) {
        if problem == nil { problem = "at \(now): \(description)" }
    }
}
