import KubeClient
import TestSupport
import Testing

@testable import Controller

@Suite struct EventCorrelatorTests {
    private typealias Correlator = EventCorrelator<ManualClock.Instant>

    private func event(_ name: String = "db", _ message: String = "m", in namespace: String = "payments")
        -> EventRecord
    {
        EventRecord(
            .warning, "KMSUnavailable", message,
            about: ObjectMeta(name: name, namespace: namespace, uid: "u-\(name)"))
    }

    /// Returns the events that may be sent until `end`.
    private func sent(_ correlator: inout Correlator, until end: Double) -> [Correlator.PendingEvent] {
        var events: [Correlator.PendingEvent] = []
        while case .send(let event) = correlator.next(at: at(end)) { events.append(event) }
        return events
    }

    @Test func raisesTheCountOfARepeatedEventOncePerInterval() {
        var correlator = Correlator(now: at(0))
        correlator.record(event(), at: at(0), timestamp: "t0")
        #expect(
            correlator.next(at: at(0))
                == .send(
                    .init(record: event(), name: nil, count: 1, firstTimestamp: "t0", lastTimestamp: "t0")))
        correlator.recordSent(event(), as: "db.1")
        for second in 1...599 { correlator.record(event(), at: at(Double(second)), timestamp: "t\(second)") }
        #expect(correlator.next(at: at(599)) == .idle)
        correlator.record(event(), at: at(600), timestamp: "t600")
        #expect(
            correlator.next(at: at(600))
                == .send(
                    .init(
                        record: event(), name: "db.1", count: 601, firstTimestamp: "t0", lastTimestamp: "t600"
                    )))
        #expect(correlator.next(at: at(600)) == .idle)
        #expect(correlator.droppedCount == 0)
    }

    @Test func countsRepetitionsBeforeTheFirstSend() {
        var correlator = Correlator(now: at(0))
        for _ in 0..<5 { correlator.record(event(), at: at(0), timestamp: "t") }
        #expect(sent(&correlator, until: 0).map(\.count) == [5])
    }

    @Test func limitsTheEventsOfOneObjectAlone() {
        var correlator = Correlator(now: at(0))
        for index in 0..<100 { correlator.record(event("db", "\(index)"), at: at(0), timestamp: "t") }
        correlator.record(event("other"), at: at(0), timestamp: "t")
        #expect(
            sent(&correlator, until: 0).map(\.record.involvedObject.ref.name) == Array(
                repeating: "db", count: 10) + [
                    "other"
                ])
        #expect(correlator.droppedCount == 90)
        correlator.record(event("db", "later"), at: at(61), timestamp: "t")
        correlator.record(event("db", "and more"), at: at(61), timestamp: "t")
        #expect(sent(&correlator, until: 61).map(\.record.message) == ["later"])
    }

    @Test func sendsAtTheTotalRateAndCountsWhatItDrops() {
        var correlator = Correlator(now: at(0))
        for index in 0..<10_000 {
            correlator.record(event("db-\(index)", in: "team-\(index % 100)"), at: at(0), timestamp: "t")
        }
        #expect(correlator.droppedCount == 9000)
        #expect(sent(&correlator, until: 0).count == 50)
        #expect(correlator.next(at: at(0)) == .wait(until: at(0.05)))
        #expect(sent(&correlator, until: 1).count == 20)
        #expect(
            sent(&correlator, until: 1000).count == 50, "unused tokens do not accumulate beyond the burst")
    }

    @Test func namespacesTakeTurns() {
        var correlator = Correlator(now: at(0))
        for index in 0..<10_000 { correlator.record(event("db-\(index)"), at: at(0), timestamp: "t") }
        correlator.record(event("victim", in: "other"), at: at(0), timestamp: "t")
        let events = sent(&correlator, until: 0)
        #expect(events.prefix(2).contains { $0.record.involvedObject.ref.namespace == "other" })
        #expect(correlator.droppedCount == 9900)
    }

    @Test func namespacesThatFillTheQueueMakeRoomForAnotherOne() {
        var correlator = Correlator(now: at(0))
        for second in [0, 100] {
            for team in 0..<10 {
                for index in 0..<100 {
                    correlator.record(
                        event("db-\(second)-\(index)", in: "team-\(team)"), at: at(Double(second)),
                        timestamp: "t")
                }
            }
        }
        let before = correlator.droppedCount
        #expect(before == 1000)
        correlator.record(event("victim", in: "other"), at: at(100), timestamp: "t")
        #expect(correlator.isPending(event("victim", in: "other")))
        #expect(correlator.droppedCount == before + 1)
        let events = sent(&correlator, until: 100)
        #expect(events.prefix(11).contains { $0.record.involvedObject.ref.namespace == "other" })
        let later = stride(from: 101.0, to: 200, by: 1).flatMap { sent(&correlator, until: $0) }
        #expect(events.count + later.count == 1000)
    }

    @Test func aRepeatedEventThatLostItsPlaceIsSentLater() {
        var limits = Correlator.Limits()
        (limits.maximumPending, limits.maximumPendingPerNamespace) = (2, 2)
        var correlator = Correlator(limits, now: at(0))
        correlator.record(event("db"), at: at(0), timestamp: "t0")
        _ = correlator.next(at: at(0))
        correlator.recordSent(event("db"), as: "event-1")
        correlator.record(event("first"), at: at(700), timestamp: "t1")
        correlator.record(event("db"), at: at(700), timestamp: "t1")
        correlator.record(event("victim", in: "other"), at: at(700), timestamp: "t1")
        #expect(!correlator.isPending(event("db")))
        #expect(
            Set(sent(&correlator, until: 700).map(\.record)) == [
                event("first"), event("victim", in: "other"),
            ])
        correlator.record(event("db"), at: at(701), timestamp: "t2")
        let events = sent(&correlator, until: 701)
        #expect(events.map(\.name) == ["event-1"])
        #expect(events.map(\.count) == [3])
    }

    @Test func createsANewEventAfterAFailure() {
        var correlator = Correlator(now: at(0))
        correlator.record(event(), at: at(0), timestamp: "t0")
        _ = correlator.next(at: at(0))
        correlator.recordFailure(event())
        #expect(correlator.droppedCount == 1)
        correlator.record(event(), at: at(1), timestamp: "t1")
        #expect(
            correlator.next(at: at(1))
                == .send(
                    .init(record: event(), name: nil, count: 1, firstTimestamp: "t1", lastTimestamp: "t1")))
    }

    @Test func remembersABoundedNumberOfSeries() {
        var limits = Correlator.Limits()
        limits.maximumSeries = 100
        limits.maximumPending = 10
        var correlator = Correlator(limits, now: at(0))
        for index in 0..<5000 {
            correlator.record(event("db-\(index)"), at: at(Double(index)), timestamp: "t")
            _ = correlator.next(at: at(Double(index)))
        }
        #expect(correlator.seriesCount <= 200)
        #expect(correlator.droppedCount == 0)
    }

    @Test func cutsAMessageBetweenCharacters() {
        let long = event("db", String(repeating: "é", count: 2000)).message
        #expect(long.utf8.count <= 1024)
        #expect(long.hasSuffix("é…"))
    }
}
