import KubeClient
import TestSupport
import Testing

@testable import Controller

@Suite struct EventCorrelatorTests {
    private typealias Machine = EventCorrelator<ManualClock.Instant>

    private func note(_ name: String = "db", _ message: String = "m", in namespace: String = "payments")
        -> EventRecord
    {
        EventRecord(
            .warning, "KMSUnavailable", message,
            about: ObjectMeta(name: name, namespace: namespace, uid: "u-\(name)"))
    }

    /// All that may be sent by then.
    private func posts(_ machine: inout Machine, until end: Double) -> [Machine.Post] {
        var posts: [Machine.Post] = []
        while case .send(let post) = machine.next(at: at(end)) { posts.append(post) }
        return posts
    }

    @Test("The same again raises the count, and says so only now and then")
    func series() {
        var machine = Machine(now: at(0))
        machine.record(note(), at: at(0), time: "t0")
        #expect(
            machine.next(at: at(0))
                == .send(
                    .init(record: note(), name: nil, count: 1, firstTimestamp: "t0", lastTimestamp: "t0")))
        machine.recordSent(note(), as: "db.1")
        for second in 1...599 { machine.record(note(), at: at(Double(second)), time: "t\(second)") }
        #expect(machine.next(at: at(599)) == .idle)
        machine.record(note(), at: at(600), time: "t600")
        #expect(
            machine.next(at: at(600))
                == .send(
                    .init(
                        record: note(), name: "db.1", count: 601, firstTimestamp: "t0", lastTimestamp: "t600")
                ))
        #expect(machine.next(at: at(600)) == .idle)
        #expect(machine.droppedCount == 0)
    }

    @Test("Repetitions before the first is sent go with it")
    func waiting() {
        var machine = Machine(now: at(0))
        for _ in 0..<5 { machine.record(note(), at: at(0), time: "t") }
        #expect(posts(&machine, until: 0).map(\.count) == [5])
    }

    @Test("One object that says something new all the time has a budget; others are not touched by it")
    func objectBudget() {
        var machine = Machine(now: at(0))
        for index in 0..<100 { machine.record(note("db", "\(index)"), at: at(0), time: "t") }
        machine.record(note("other"), at: at(0), time: "t")
        #expect(
            posts(&machine, until: 0).map(\.record.involvedObject.ref.name) == Array(
                repeating: "db", count: 10) + [
                    "other"
                ])
        #expect(machine.droppedCount == 90)
        machine.record(note("db", "later"), at: at(61), time: "t")
        machine.record(note("db", "and more"), at: at(61), time: "t")
        #expect(posts(&machine, until: 61).map(\.record.message) == ["later"])
    }

    @Test(
        "A storm over many namespaces is sent at the total rate, and what does not fit is dropped and counted"
    )
    func storm() {
        var machine = Machine(now: at(0))
        for index in 0..<10_000 {
            machine.record(note("db-\(index)", in: "team-\(index % 100)"), at: at(0), time: "t")
        }
        #expect(machine.droppedCount == 9000)
        #expect(posts(&machine, until: 0).count == 50)
        #expect(machine.next(at: at(0)) == .wait(until: at(0.05)))
        #expect(posts(&machine, until: 1).count == 20)
        #expect(posts(&machine, until: 1000).count == 50, "what is not used is not saved up")
    }

    @Test("A namespace with thousands of events does not crowd out another namespace")
    func namespacesTakeTurns() {
        var machine = Machine(now: at(0))
        for index in 0..<10_000 { machine.record(note("db-\(index)"), at: at(0), time: "t") }
        machine.record(note("victim", in: "other"), at: at(0), time: "t")
        let sent = posts(&machine, until: 0)
        #expect(sent.prefix(2).contains { $0.record.involvedObject.ref.namespace == "other" })
        #expect(machine.droppedCount == 9900)
    }

    @Test("What could not be sent is forgotten, and made anew when it comes again")
    func failure() {
        var machine = Machine(now: at(0))
        machine.record(note(), at: at(0), time: "t0")
        _ = machine.next(at: at(0))
        machine.recordFailure(note())
        #expect(machine.droppedCount == 1)
        machine.record(note(), at: at(1), time: "t1")
        #expect(
            machine.next(at: at(1))
                == .send(
                    .init(record: note(), name: nil, count: 1, firstTimestamp: "t1", lastTimestamp: "t1")))
    }

    @Test("Memory has bounds")
    func memory() {
        var limits = Machine.Limits()
        limits.maximumSeries = 100
        limits.maximumPending = 10
        var machine = Machine(limits, now: at(0))
        for index in 0..<5000 {
            machine.record(note("db-\(index)"), at: at(Double(index)), time: "t")
            _ = machine.next(at: at(Double(index)))
        }
        #expect(machine.seriesCount <= 200)
        #expect(machine.droppedCount == 0)
    }

    @Test("A message is cut to what the API server takes, between characters")
    func length() {
        let long = note("db", String(repeating: "é", count: 2000)).message
        #expect(long.utf8.count <= 1024)
        #expect(long.hasSuffix("é…"))
    }
}
