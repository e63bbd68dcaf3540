import KubeClient
import TestSupport
import Testing

@testable import Controller

@Suite struct UnwrapRateLimiterMachineTests {
    private let start = ContinuousClock.now

    private func machine(rate: Int, burst: Int) -> UnwrapRateLimiterMachine {
        var limit = UnwrapRateLimit()
        limit.rate = rate
        limit.burst = burst
        return UnwrapRateLimiterMachine(limit)
    }

    private func ref(_ name: Int, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: "\(name)")
    }

    @Test func grantsTheBurstAndThenOneTokenPerInterval() {
        var machine = machine(rate: 10, burst: 3)
        #expect(machine.availableTokens("a", now: start) == 3)
        for name in 0..<3 { #expect(machine.acquireToken(ref(name), now: start) == nil) }
        #expect(machine.availableTokens("a", now: start) == 0)
        #expect(
            machine.acquireToken(ref(3), now: start)
                == .init(until: start + .milliseconds(100), isFirstForObject: true, isFirstInNamespace: true))
        #expect(
            machine.acquireToken(ref(4), now: start)
                == .init(until: start + .milliseconds(200), isFirstForObject: true, isFirstInNamespace: false)
        )
        #expect(machine.acquireToken(ref(0, in: "b"), now: start) == nil, "another namespace has its own")
    }

    @Test func keepsThePositionOfAWaitingObject() {
        var machine = machine(rate: 10, burst: 1)
        #expect(machine.acquireToken(ref(0), now: start) == nil)
        let first = machine.acquireToken(ref(1), now: start)
        #expect(first?.until == start + .milliseconds(100))
        // A change triggers an earlier attempt; the object keeps its position.
        #expect(
            machine.acquireToken(ref(1), now: start + .milliseconds(50))
                == .init(
                    until: start + .milliseconds(100), isFirstForObject: false, isFirstInNamespace: false))
        // An object that arrives at the time of another object's token does not get that token.
        #expect(
            machine.acquireToken(ref(2), now: start + .milliseconds(100))?.until == start + .milliseconds(200)
        )
        #expect(machine.acquireToken(ref(1), now: start + .milliseconds(101)) == nil)
        #expect(machine.acquireToken(ref(2), now: start + .milliseconds(201)) == nil)
    }

    @Test func movesObjectsUpWhenOneLeavesTheQueue() {
        var machine = machine(rate: 1, burst: 1)
        #expect(machine.acquireToken(ref(0), now: start) == nil)
        for name in 1...20 { #expect(machine.acquireToken(ref(name), now: start) != nil) }
        #expect(machine.acquireToken(ref(20), now: start)?.until == start + .seconds(20))
        for name in 1..<20 { machine.forget(ref(name)) }
        machine.forget(ref(1))
        #expect(machine.acquireToken(ref(20), now: start)?.until == start + .seconds(1))
        #expect(machine.acquireToken(ref(20), now: start + .seconds(1)) == nil)
        #expect(machine.acquireToken(ref(21), now: start + .seconds(1))?.until == start + .seconds(2))
    }

    @Test func addsARefundedToken() {
        var machine = machine(rate: 1, burst: 1)
        for _ in 0..<5 {
            #expect(machine.acquireToken(ref(0), now: start) == nil)
            machine.refundToken("a")
        }
        #expect(machine.acquireToken(ref(0), now: start) == nil)
        #expect(machine.acquireToken(ref(0), now: start) != nil)
    }

    /// An envelope whose first recipients cannot be used sends more requests than one.
    @Test func aRequestBeyondTheFirstDelaysTheNextObjects() {
        var machine = machine(rate: 1, burst: 2)
        #expect(machine.acquireToken(ref(0), now: start) == nil)
        for _ in 0..<3 { machine.chargeToken("a", now: start) }
        #expect(machine.acquireToken(ref(1), now: start)?.until == start + .seconds(3))
        #expect(machine.acquireToken(ref(1), now: start + .seconds(2)) != nil)
        #expect(machine.acquireToken(ref(1), now: start + .seconds(3)) == nil)
    }

    @Test func limitsEachWaitToTheMaximum() {
        var machine = machine(rate: 1, burst: 1)
        for name in 0..<1000 { _ = machine.acquireToken(ref(name), now: start) }
        #expect(
            machine.acquireToken(ref(1000), now: start)?.until == start + UnwrapRateLimiterMachine.maximumWait
        )
        for second in 1..<1000 {
            let now = start + .seconds(second)
            #expect(machine.acquireToken(ref(second), now: now) == nil)
            let until = min(start + .seconds(1000), now + UnwrapRateLimiterMachine.maximumWait)
            #expect(machine.acquireToken(ref(1000), now: now)?.until == until)
        }
        #expect(machine.acquireToken(ref(1000), now: start + .seconds(1000)) == nil)
    }

    @Test func dropsFullBuckets() {
        var machine = machine(rate: 1000, burst: 1000)
        for second in 0..<10_000 {
            _ = machine.acquireToken(ref(0, in: "ns-\(second)"), now: start + .seconds(second))
        }
        #expect(machine.bucketCount <= 64)
    }

    /// Checks random sequences of requests: burst and rate are the limit, the order is FIFO, and every object gets a token.
    @Test(arguments: 0..<100) func servesInOrderAndWithinTheRate(seed: Int) {
        var random = SeededGenerator(seed)
        let (rate, burst) = (Int.random(in: 1...20, using: &random), Int.random(in: 1...10, using: &random))
        var machine = machine(rate: rate, burst: burst)
        var now = start
        var due: [Int: ContinuousClock.Instant] = [:]
        var served: [ContinuousClock.Instant] = []
        func attempt(_ name: Int) {
            if let wait = machine.acquireToken(ref(name), now: now) {
                #expect(wait.until > now)
                #expect(wait.isFirstForObject == (due[name] == nil))
                due[name] = wait.until
            } else {
                due[name] = nil
                served.append(now)
            }
        }
        for _ in 0..<300 {
            now += .milliseconds(Int.random(in: 0...40, using: &random))
            for (name, instant) in due.sorted(by: { $0.value < $1.value }) where instant <= now {
                attempt(name)
            }
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<7: attempt(Int.random(in: 0..<50, using: &random))
            case 7:
                guard let name = due.keys.sorted().randomElement(using: &random) else { continue }
                machine.forget(ref(name))
                due[name] = nil
            default: break
            }
        }
        // Without new objects, all waiting ones get their tokens in time.
        let end = now + .seconds(due.count + 1)
        while let instant = due.values.min(), instant <= end {
            now = max(now, instant)
            for (name, instant) in due where instant <= now { attempt(name) }
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
