import KubeClient
import TestSupport
import Testing

@testable import Controller

@Suite struct UnwrapBudgetMachineTests {
    private let start = ContinuousClock.now

    private func machine(rate: Int, burst: Int) -> UnwrapBudgetMachine {
        var limit = UnwrapLimit()
        limit.rate = rate
        limit.burst = burst
        return UnwrapBudgetMachine(limit)
    }

    private func ref(_ name: Int, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: "\(name)")
    }

    @Test func spendsTheBurstAndThenWaitsForTheRate() {
        var machine = machine(rate: 10, burst: 3)
        #expect(machine.available("a", now: start) == 3)
        for name in 0..<3 { #expect(machine.take(ref(name), now: start) == nil) }
        #expect(machine.available("a", now: start) == 0)
        #expect(
            machine.take(ref(3), now: start)
                == .init(until: start + .milliseconds(100), isNew: true, isNews: true))
        #expect(
            machine.take(ref(4), now: start)
                == .init(until: start + .milliseconds(200), isNew: true, isNews: false))
        #expect(machine.take(ref(0, in: "b"), now: start) == nil, "another namespace has its own")
    }

    @Test func keepsThePlaceOfWhoeverWaits() {
        var machine = machine(rate: 10, burst: 1)
        #expect(machine.take(ref(0), now: start) == nil)
        let first = machine.take(ref(1), now: start)
        #expect(first?.until == start + .milliseconds(100))
        // It is looked at before its time, because it changed: neither a new place nor a later one.
        #expect(
            machine.take(ref(1), now: start + .milliseconds(50))
                == .init(until: start + .milliseconds(100), isNew: false, isNews: false))
        // Whoever comes at the very time that the token is there for another does not get it.
        #expect(machine.take(ref(2), now: start + .milliseconds(100))?.until == start + .milliseconds(200))
        #expect(machine.take(ref(1), now: start + .milliseconds(101)) == nil)
        #expect(machine.take(ref(2), now: start + .milliseconds(201)) == nil)
    }

    @Test func whoLeavesTheLineBringsTheOthersForward() {
        var machine = machine(rate: 1, burst: 1)
        #expect(machine.take(ref(0), now: start) == nil)
        for name in 1...20 { #expect(machine.take(ref(name), now: start) != nil) }
        #expect(machine.take(ref(20), now: start)?.until == start + .seconds(20))
        for name in 1..<20 { machine.forget(ref(name)) }
        machine.forget(ref(1))
        #expect(machine.take(ref(20), now: start)?.until == start + .seconds(1))
        #expect(machine.take(ref(20), now: start + .seconds(1)) == nil)
        #expect(machine.take(ref(21), now: start + .seconds(1))?.until == start + .seconds(2))
    }

    @Test func whatWasNotSpentIsGivenBack() {
        var machine = machine(rate: 1, burst: 1)
        for _ in 0..<5 {
            #expect(machine.take(ref(0), now: start) == nil)
            machine.giveBack("a")
        }
        #expect(machine.take(ref(0), now: start) == nil)
        #expect(machine.take(ref(0), now: start) != nil)
    }

    @Test func looksAgainAfterAWhileHoweverLongTheWait() {
        var machine = machine(rate: 1, burst: 1)
        for name in 0..<1000 { _ = machine.take(ref(name), now: start) }
        #expect(
            machine.take(ref(1000), now: start)?.until == start + UnwrapBudgetMachine.longestWait)
        for second in 1..<1000 {
            let now = start + .seconds(second)
            #expect(machine.take(ref(second), now: now) == nil)
            let until = min(start + .seconds(1000), now + UnwrapBudgetMachine.longestWait)
            #expect(machine.take(ref(1000), now: now)?.until == until)
        }
        #expect(machine.take(ref(1000), now: start + .seconds(1000)) == nil)
    }

    @Test func keepsOnlyBucketsThatAreNotFull() {
        var machine = machine(rate: 1000, burst: 1000)
        for second in 0..<10_000 {
            _ = machine.take(ref(0, in: "ns-\(second)"), now: start + .seconds(second))
        }
        #expect(machine.count <= 64)
    }

    /// Whatever objects do: no more than burst and rate allow, first come first served, and nobody is left.
    @Test(arguments: 0..<100) func holdsItsPromises(seed: Int) {
        var random = SeededGenerator(seed)
        let (rate, burst) = (Int.random(in: 1...20, using: &random), Int.random(in: 1...10, using: &random))
        var machine = machine(rate: rate, burst: burst)
        var now = start
        var due: [Int: ContinuousClock.Instant] = [:]
        var served: [ContinuousClock.Instant] = []
        func look(_ name: Int) {
            if let wait = machine.take(ref(name), now: now) {
                #expect(wait.until > now)
                #expect(wait.isNew == (due[name] == nil))
                due[name] = wait.until
            } else {
                due[name] = nil
                served.append(now)
            }
        }
        for _ in 0..<300 {
            now += .milliseconds(Int.random(in: 0...40, using: &random))
            for (name, instant) in due.sorted(by: { $0.value < $1.value }) where instant <= now { look(name) }
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<7: look(Int.random(in: 0..<50, using: &random))
            case 7:
                guard let name = due.keys.sorted().randomElement(using: &random) else { continue }
                machine.forget(ref(name))
                due[name] = nil
            default: break
            }
        }
        // Nobody new comes: those who wait are all served in the time that their tokens take.
        let end = now + .seconds(due.count + 1)
        while let instant = due.values.min(), instant <= end {
            now = max(now, instant)
            for (name, instant) in due where instant <= now { look(name) }
        }
        #expect(due.isEmpty)
        for (index, first) in served.enumerated() {
            for last in served.indices where last >= index {
                let allowed = Double(burst) + (served[last] - first) / .seconds(1) * Double(rate)
                guard Double(last - index + 1) > allowed + 1e-6 else { continue }
                Issue.record("\(last - index + 1) from \(index) on, with rate \(rate) and burst \(burst)")
            }
        }
    }
}
