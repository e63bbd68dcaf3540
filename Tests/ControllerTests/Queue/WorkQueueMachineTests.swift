import TestSupport
import Testing

@testable import Controller

/// Checks the invariants of the work queue with random operations against a simple model.
@Suite struct WorkQueueMachineTests {
    private typealias Machine = WorkQueueMachine<Int>
    private let start = ContinuousClock.now

    /// The guarantees of the queue without priorities, heap and invalid entries.
    private struct Model {
        var waiting: Set<Int> = []
        var processing: Set<Int> = []
        var due: [Int: ContinuousClock.Instant] = [:]
        var isShutDown = false

        mutating func add(_ key: Int) {
            guard !isShutDown else { return }
            waiting.insert(key)
            due[key] = nil
        }

        mutating func add(_ key: Int, at instant: ContinuousClock.Instant) {
            guard !isShutDown else { return }
            due[key] = min(due[key] ?? instant, instant)
        }

        mutating func promote(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
            for (key, instant) in due where instant <= now { add(key) }
            return due.values.min()
        }

        mutating func shutDown() {
            isShutDown = true
            waiting = []
            due = [:]
        }

        var ready: Set<Int> { waiting.subtracting(processing) }
    }

    @Test(arguments: 0..<200) func keepsItsInvariants(seed: Int) {
        var random = SeededGenerator(seed)
        var machine = Machine { "\($0 % 3)" }
        var model = Model()
        var now = start
        for _ in 0..<400 {
            let key = Int.random(in: 0..<6, using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<20:
                machine.add(key, .change)
                model.add(key)
            case 20..<35:
                machine.add(key, .backlog)
                model.add(key)
            case 35..<50:
                let instant = now + .milliseconds(Int.random(in: -5...50, using: &random))
                machine.add(key, at: instant)
                model.add(key, at: instant)
            case 50..<60:
                now += .milliseconds(Int.random(in: 0...20, using: &random))
                #expect(machine.promoteDueKeys(now: now) == model.promote(now))
            case 60..<80:
                let taken = machine.take()
                guard let taken else {
                    #expect(model.ready.isEmpty)
                    continue
                }
                #expect(model.ready.contains(taken), "\(taken) was not ready")
                model.waiting.remove(taken)
                model.processing.insert(taken)
            case 80..<99:
                guard let finished = model.processing.sorted().randomElement(using: &random) else { continue }
                model.processing.remove(finished)
                machine.done(finished)
            default:
                guard Bool.random(using: &random), Bool.random(using: &random) else { continue }
                machine.shutDown()
                model.shutDown()
            }
            #expect(machine.count == model.waiting.count)
            #expect(machine.isShutDown == model.isShutDown)
        }
        for key in model.processing { machine.done(key) }
        model.processing = []
        var rest: [Int] = []
        while let key = machine.take() { rest.append(key) }
        #expect(Set(rest) == model.waiting)
        #expect(rest.count == model.waiting.count)
    }

    @Test func runsAKeyOnceAfterSeveralAdds() {
        var machine = Machine()
        for _ in 0..<5 { machine.add(1) }
        #expect(machine.take() == 1)
        #expect(machine.take() == nil)
    }

    @Test func runsAKeyOnceMoreAfterAddsWhileItIsProcessed() {
        var machine = Machine()
        machine.add(1)
        #expect(machine.take() == 1)
        for _ in 0..<5 { machine.add(1) }
        #expect(machine.take() == nil, "a key has one worker")
        machine.done(1)
        #expect(machine.take() == 1)
        machine.done(1)
        #expect(machine.take() == nil)
    }

    @Test func raisesThePriorityOfAChangedKey() {
        var machine = Machine()
        for key in 1...3 { machine.add(key, .backlog) }
        machine.add(3, .change)
        #expect(machine.take() == 3)
        #expect([machine.take(), machine.take(), machine.take()] == [1, 2, nil])
    }

    /// The old entry of the key in the backlog stays invalid, even after the key is in the backlog again.
    @Test func neverGivesAKeyToTwoWorkers() {
        var machine = Machine()
        machine.add(1, .backlog)
        machine.add(1, .change)
        #expect(machine.take() == 1)
        machine.add(1, .backlog)
        #expect(machine.take() == nil)
        machine.done(1)
        #expect(machine.take() == 1)
        machine.done(1)
        #expect(machine.take() == nil)
    }

    @Test func keepsTheOrderWithinAPriority() {
        var machine = Machine()
        for key in 0..<7 { machine.add(key) }
        #expect((0..<7).map { _ in machine.take() } == [0, 1, 2, 3, 4, 5, 6])
    }

    @Test func doesNotStarveTheBacklog() {
        var machine = Machine()
        machine.add(-1, .backlog)
        for key in 0..<100 { machine.add(key) }
        var takes = 0
        while let key = machine.take(), key != -1 {
            takes += 1
            machine.done(key)
            machine.add(key)
        }
        #expect(takes < 10)
    }

    @Test func flowsTakeTurns() {
        var machine = Machine { $0 < 1000 ? "loud" : "quiet" }
        for key in 0..<1000 { machine.add(key) }
        for key in 1000..<1003 { machine.add(key) }
        let taken = (0..<6).compactMap { _ in machine.take() }
        #expect(taken == [0, 1000, 1, 1001, 2, 1002])
        #expect(machine.take() == 3)
    }

    @Test func keysThatChangedTheirPriorityTakeNoTurnFromTheirFlow() {
        var machine = Machine { $0 < 100 ? "a" : "b" }
        for key in 0..<5 { machine.add(key, .backlog) }
        for key in 0..<4 { machine.add(key, .change) }
        #expect((0..<4).map { _ in machine.take() } == [0, 1, 2, 3])
        for key in 100..<103 { machine.add(key, .backlog) }
        #expect((0..<3).map { _ in machine.take() } == [4, 100, 101])
    }

    @Test func countsTheShareOfEachFlow() {
        var machine = Machine { $0 < 100 ? "loud" : "quiet" }
        for key in 0..<100 { machine.add(key) }
        for key in 100..<103 { machine.add(key, .backlog) }
        #expect(machine.count(upTo: 1000) { $0 == "loud" ? 0 : .max } == 3)
        #expect(machine.count(upTo: 1000) { _ in 2 } == 4)
        #expect(machine.count(upTo: 50) { _ in .max } == 50)
        // A key whose priority changes counts once.
        machine.add(100, .change)
        #expect(machine.count(upTo: 1000) { $0 == "loud" ? 0 : .max } == 3)
        while let key = machine.take() { machine.done(key) }
        #expect(machine.count(upTo: 1000) { _ in .max } == 0)
        machine.add(1)
        machine.shutDown()
        #expect(machine.count(upTo: 1000) { _ in .max } == 0)
    }

    @Test func keepsTheEarlierOfTwoDelays() {
        var machine = Machine()
        machine.add(1, at: start + .seconds(2))
        machine.add(1, at: start + .seconds(9))
        machine.add(1, at: start + .seconds(1))
        #expect(machine.promoteDueKeys(now: start) == start + .seconds(1))
        #expect(machine.take() == nil)
        #expect(machine.promoteDueKeys(now: start + .seconds(1)) == nil)
        #expect(machine.take() == 1)
        machine.done(1)
        #expect(machine.promoteDueKeys(now: start + .seconds(20)) == nil)
        #expect(machine.take() == nil)
    }

    @Test func anImmediateAddCancelsTheDelayedOne() {
        var machine = Machine()
        machine.add(1, at: start + .seconds(1))
        machine.add(1)
        #expect(machine.take() == 1)
        machine.done(1)
        #expect(machine.promoteDueKeys(now: start + .seconds(5)) == nil)
        #expect(machine.take() == nil)
    }

    /// An object that changes all the while and is requeued each time must not take memory for each of its delays.
    @Test func remembersABoundedNumberOfCancelledDelays() {
        var machine = Machine()
        let due = start + .seconds(3600)
        machine.add(2, at: start + .seconds(1800))
        for _ in 0..<1000 {
            machine.add(1, at: due)
            machine.add(1)
            #expect(machine.take() == 1)
            machine.done(1)
        }
        #expect(machine.delayCount <= 70)
        machine.add(1, at: due)
        #expect(machine.promoteDueKeys(now: start + .seconds(1800)) == due)
        #expect(machine.take() == 2)
        #expect(machine.promoteDueKeys(now: due) == nil)
        #expect(machine.take() == 1)
        machine.done(1)
        #expect(machine.take() == nil)
    }

    @Test func forgetResetsOnlyTheFailures() {
        var machine = Machine()
        func fail(_ key: Int, from first: Duration = .milliseconds(5)) -> Duration {
            machine.recordFailure(key, from: first, maximum: .milliseconds(15), random: 0)
        }
        #expect((0..<4).map { _ in fail(1) } == [2.5, 5, 7.5, 7.5].map { .milliseconds($0) })
        #expect(fail(2) == .milliseconds(2.5))
        #expect(
            fail(2, from: .milliseconds(8)) == .milliseconds(4), "another initial delay starts a new backoff")
        machine.add(1)
        machine.forget(1)
        #expect(machine.count == 1)
        #expect(fail(1) == .milliseconds(2.5))
    }
}
