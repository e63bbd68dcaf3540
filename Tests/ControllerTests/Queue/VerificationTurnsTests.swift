import KubeClient
import TestSupport
import Testing

@testable import Controller

@Suite struct VerificationTurnsTests {
    private let start = ContinuousClock.now
    private let burst = VerificationTurns.objectsPerSecond
    private let interval = Duration.milliseconds(50)

    private func ref(_ name: Int, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: "\(name)")
    }

    /// The bucket is empty.
    private func exhaustedTurns() -> VerificationTurns {
        var turns = VerificationTurns(now: start)
        for name in 0..<burst { #expect(turns.nextTurn(ref(name, in: "first"), now: start) == nil) }
        return turns
    }

    @Test func grantsTheBurstAndThenOneTurnPerIntervalInOrder() {
        var turns = exhaustedTurns()
        for name in 0..<100 {
            #expect(turns.nextTurn(ref(name), now: start) == start + interval * (name + 1))
        }
        for name in 0..<100 {
            let now = start + interval * (name + 1)
            #expect(turns.nextTurn(ref(name + 1), now: now) == now + interval)
            #expect(turns.nextTurn(ref(name), now: now) == nil)
        }
    }

    @Test func limitsEachWaitToTheMaximum() {
        var turns = exhaustedTurns()
        for name in 0..<1000 { _ = turns.nextTurn(ref(name), now: start) }
        #expect(turns.nextTurn(ref(1000), now: start) == start + VerificationTurns.maximumWait)
    }

    @Test func namespacesTakeTurns() {
        var turns = exhaustedTurns()
        for name in 0..<3 { _ = turns.nextTurn(ref(name, in: "a"), now: start) }
        for name in 0..<3 { _ = turns.nextTurn(ref(name, in: "b"), now: start) }
        var served: [String] = []
        for step in 1...6 {
            for name in 0..<3 {
                for namespace in ["a", "b"] where !served.contains("\(namespace)\(name)") {
                    guard turns.nextTurn(ref(name, in: namespace), now: start + interval * step) == nil
                    else { continue }
                    served.append("\(namespace)\(name)")
                }
            }
        }
        #expect(served == ["a0", "b0", "a1", "b1", "a2", "b2"])
    }

    @Test func aNamespaceWithManyObjectsDelaysTheObjectOfAnotherOneByATurn() throws {
        var turns = exhaustedTurns()
        for name in 0..<10_000 { _ = turns.nextTurn(ref(name), now: start) }
        let answer = turns.nextTurn(ref(0, in: "b"), now: start)
        let until = try #require(answer)
        #expect(until <= start + interval * 2)
        #expect(turns.nextTurn(ref(0), now: start + interval) == nil)
        #expect(turns.nextTurn(ref(0, in: "b"), now: until) == nil)
    }

    @Test func movesObjectsUpWhenOneLeavesTheQueue() {
        var turns = exhaustedTurns()
        for name in 0..<20 { _ = turns.nextTurn(ref(name), now: start) }
        for name in 0..<19 { turns.forget(ref(name)) }
        #expect(turns.nextTurn(ref(19), now: start) == start + interval)
    }

    /// One that was forgotten without a call, or waits for something else.
    @Test func objectsThatDoNotAskAgainDelayTheOthersUntilTheirTimeIsOver() {
        var turns = exhaustedTurns()
        for name in 0..<10_000 { _ = turns.nextTurn(ref(name), now: start) }
        let now = start + VerificationTurns.maximumWait + VerificationTurns.tolerance + .seconds(1)
        for name in 10_000..<10_000 + burst { #expect(turns.nextTurn(ref(name), now: now) == nil) }
        #expect(turns.nextTurn(ref(20_000), now: now) == now + interval)
    }

    @Test func anObjectThatAsksLateKeepsItsPosition() {
        var turns = exhaustedTurns()
        for name in 0..<50 { _ = turns.nextTurn(ref(name), now: start) }
        let now = start + .seconds(10)
        for name in 100..<100 + burst { #expect(turns.nextTurn(ref(name), now: now) == nil) }
        for name in 200..<250 { _ = turns.nextTurn(ref(name), now: now) }
        #expect(turns.nextTurn(ref(0), now: now) == now + interval)
        #expect(turns.nextTurn(ref(0), now: now + interval) == nil)
    }

    @Test func anObjectThatAsksAgainCostsTheSameInALongQueue() {
        func ask(_ count: Int) -> () -> Void {
            var turns = exhaustedTurns()
            for name in 0..<count { _ = turns.nextTurn(ref(name), now: start) }
            return { for _ in 0..<2000 { _ = turns.nextTurn(ref(count / 2), now: start) } }
        }
        #expect(ProcessorTime.ratio(of: ask(200_000), to: ask(1000), below: 4) < 4)
    }

    @Test func anObjectBehindManyNamespacesCostsNoLookAtEachOfThem() {
        func ask(_ count: Int) -> () -> Void {
            var turns = exhaustedTurns()
            for name in 0..<count { _ = turns.nextTurn(ref(0, in: "\(name)"), now: start) }
            return { for _ in 0..<100 { _ = turns.nextTurn(ref(0), now: start) } }
        }
        #expect(ProcessorTime.ratio(of: ask(20_000), to: ask(1000), below: 4) < 4)
    }

    @Test func remembersNoObjectThatWasForgotten() {
        var turns = exhaustedTurns()
        for name in 0..<100 { _ = turns.nextTurn(ref(name), now: start) }
        _ = turns.nextTurn(ref(0), now: start + .seconds(60))
        for name in 0..<100 {
            turns.forget(ref(name))
            turns.forget(ref(name, in: "first"))
        }
        #expect(turns.count == 0)
    }

    /// Objects of some namespaces ask, late too, leave the queue, or never ask again. Each of the others is served, at the rate,
    /// and an object that is alone in its namespace waits for a second at most.
    @Test func servesEveryNamespaceWithinTheRate() async {
        let violation = await PropertyRun.violation(seeds: 20) { random in
            var simulation = VerificationSimulation(random)
            return simulation.run()
        }
        #expect(violation == nil)
    }
}

/// Objects that ask for turns in virtual time.
private struct VerificationSimulation {
    private typealias Instant = ContinuousClock.Instant

    private static let namespaces = 4
    private let start: Instant
    private var now: Instant
    private var random: SeededGenerator
    private var turns: VerificationTurns
    /// When an object asks again, some time after its turn was expected.
    private var asks: [ObjectRef: Instant] = [:]
    private var arrivals: [ObjectRef: Instant] = [:]
    private var served: [Instant] = []
    private var lastName = 0
    private var violation: String?

    init(_ random: SeededGenerator) {
        self.random = random
        start = .now
        now = start
        turns = VerificationTurns(now: start)
    }

    mutating func run() -> String? {
        for _ in 0..<random.number(0..<400) { arrive(in: "flood") }
        for step in 0..<1000 where violation == nil {
            if random.chance(0.2) { arrive(in: "\(random.number(0..<Self.namespaces))") }
            if step % 100 == 50 { arrive(in: "lone-\(step)") }
            if random.chance(0.03) { leave(forgets: random.chance(0.7)) }
            tick()
        }
        for _ in 0..<10_000 where violation == nil && !asks.isEmpty { tick() }
        if violation == nil, !asks.isEmpty { violation = "\(asks.count) objects starve" }
        return violation ?? rateViolation
    }

    private mutating func tick() {
        now += .milliseconds(10)
        for (ref, _) in asks.filter({ $0.value <= now }).sorted(by: {
            ($0.value, $0.key.name) < ($1.value, $1.key.name)
        }) {
            ask(ref)
        }
    }

    private mutating func arrive(in namespace: String) {
        lastName += 1
        let ref = ObjectRef(namespace: namespace, name: "\(lastName)")
        arrivals[ref] = now
        ask(ref)
    }

    private mutating func ask(_ ref: ObjectRef) {
        if let until = turns.nextTurn(ref, now: now) {
            if until <= now || until > now + VerificationTurns.maximumWait {
                violation = "\(ref) has to ask again at another time"
            }
            asks[ref] = until + random.milliseconds(0..<100)
            return
        }
        asks[ref] = nil
        served.append(now)
        turns.forget(ref)
        if ref.namespace.hasPrefix("lone"), let arrival = arrivals[ref], now - arrival > .seconds(1) {
            violation = "\(ref) has waited for \(now - arrival)"
        }
    }

    /// An object needs no turn any more. Some are not forgotten, so that the queue waits for them.
    private mutating func leave(forgets: Bool) {
        let others = asks.keys.filter { !$0.namespace.hasPrefix("lone") }.sorted { $0.name < $1.name }
        guard let ref = others.randomElement(using: &random) else { return }
        asks[ref] = nil
        if forgets { turns.forget(ref) }
    }

    /// Returns a violation if the objects served would not have found tokens in a bucket.
    private var rateViolation: String? {
        let rate = Double(VerificationTurns.objectsPerSecond)
        var (used, last) = (0.0, start)
        for instant in served {
            used = max(0, used - (instant - last) / .seconds(1) * rate) + 1
            last = instant
            if used > rate + 1e-6 { return "more objects than allowed are served by \(instant - start)" }
        }
        return nil
    }
}
