import TestSupport

@testable import Controller

/// A work queue whose workers take, finish and requeue keys in virtual time. Each step is compared with what the queue promises.
/// There are three flows. Some keys always have one priority, and the others change theirs.
struct WorkQueueSimulation {
    private typealias Queue = WorkQueueMachine<Int>
    private typealias Priority = WorkQueueMachine<Int>.Priority
    private typealias Instant = ContinuousClock.Instant

    private struct Waiting {
        let priority: Priority
        /// The position in the order in which keys became ready.
        var order: Int
    }

    private struct Delay {
        let instant: Instant
        let order: Int
    }

    private struct Turn: Hashable {
        let priority: Priority
        let flow: Int
    }

    private static let keys = 12
    private static let flows = 3
    private static let workers = 2
    private static let initialDelay = Duration.milliseconds(5)
    private static let maximumDelay = Duration.milliseconds(60)

    private var random: SeededGenerator
    private var machine = Queue { "\($0 % 3)" }
    private var now = ContinuousClock.now
    private var order = 0
    private var isDraining = false
    private var waiting: [Int: Waiting] = [:]
    /// When the workers finish their keys.
    private var processing: [Int: Instant] = [:]
    private var due: [Int: Delay] = [:]
    private var failures: [Int: Int] = [:]
    /// For a flow with a ready key of a priority, the other flows that were served with this priority since then.
    private var passed: [Turn: Set<Int>] = [:]
    private var attempts = 0
    /// The last attempt that took from the backlog while a change was ready.
    private var lastBacklogShare: Int?
    /// The number of takes in which the backlog was ready and was not served.
    private var backlogPassed = 0
    private var violation: String?

    init(_ random: SeededGenerator) {
        self.random = random
    }

    /// - Returns: The first violation.
    mutating func run() -> String? {
        for _ in 0..<150 where violation == nil {
            for _ in 0..<random.number(0..<3) { addRandomKey() }
            tick()
        }
        isDraining = true
        for _ in 0..<500 where violation == nil && !isIdle { tick() }
        if !isIdle { fail("keys are left: \(waiting.keys.sorted()), delayed: \(due.keys.sorted())") }
        return violation
    }

    private var isIdle: Bool { waiting.isEmpty && processing.isEmpty && due.isEmpty }

    private mutating func tick() {
        now += .milliseconds(1)
        for (key, end) in processing.sorted(by: { $0.key < $1.key }) where end <= now { finish(key) }
        promote()
        while violation == nil, processing.count < Self.workers, take() {}
    }

    // MARK: adds

    private mutating func addRandomKey() {
        let key = random.number(0..<Self.keys)
        switch key / 4 {
        case 0:
            if random.chance(0.4) { delay(key, by: random.milliseconds(-2..<40)) } else { add(key, .change) }
        case 1: add(key, .backlog)
        default:
            let priorities: [Priority] = [.reserved, .change, .change, .backlog, .backlog]
            add(key, priorities.randomElement(using: &random) ?? .change)
        }
    }

    private mutating func add(_ key: Int, _ priority: Priority) {
        machine.add(key, priority)
        expectRun(of: key, priority)
    }

    private mutating func expectRun(of key: Int, _ priority: Priority) {
        due[key] = nil
        if let known = waiting[key], known.priority.rawValue <= priority.rawValue { return }
        order += 1
        waiting[key] = Waiting(priority: priority, order: order)
    }

    private mutating func delay(_ key: Int, by delay: Duration) {
        let instant = now + delay
        machine.add(key, at: instant)
        if let known = due[key], known.instant <= instant { return }
        order += 1
        due[key] = Delay(instant: instant, order: order)
    }

    private mutating func promote() {
        let next = machine.promoteDueKeys(now: now)
        let ripe = due.filter { $0.value.instant <= now }
            .sorted { ($0.value.instant, $0.value.order) < ($1.value.instant, $1.value.order) }
        for (key, _) in ripe { expectRun(of: key, .change) }
        if next != due.values.map(\.instant).min() { fail("the next delay ends at another time") }
    }

    // MARK: workers

    private mutating func finish(_ key: Int) {
        let outcome = isDraining || key / 4 == 1 ? 0 : random.number(0..<3)
        switch outcome {
        case 0: forget(key)
        case 1: delay(key, by: recordFailure(key))
        default:
            forget(key)
            delay(key, by: random.milliseconds(0..<40))
        }
        machine.done(key)
        processing[key] = nil
        order += 1
        let position = order
        waiting[key]?.order = position
    }

    private mutating func forget(_ key: Int) {
        machine.forget(key)
        failures[key] = nil
    }

    private mutating func recordFailure(_ key: Int) -> Duration {
        let delay = machine.recordFailure(
            key, from: Self.initialDelay, maximum: Self.maximumDelay,
            random: Double.random(in: 0..<1, using: &random))
        var ceiling = Self.initialDelay
        for _ in 0..<failures[key, default: 0] { ceiling = min(ceiling * 2, Self.maximumDelay) }
        failures[key, default: 0] += 1
        if delay < ceiling / 2 || delay > ceiling { fail("a delay of \(delay) with the ceiling \(ceiling)") }
        return delay
    }

    /// - Returns: False if no key was ready.
    private mutating func take() -> Bool {
        attempts += 1
        let processing = processing
        let ready = waiting.filter { processing[$0.key] == nil }
        guard let key = machine.take() else {
            if let lost = ready.keys.min() { fail("key \(lost) is ready and not taken") }
            (passed, backlogPassed) = ([:], 0)
            return false
        }
        guard let taken = ready[key] else {
            fail("key \(key) is taken and was not ready")
            return false
        }
        checkPriority(taken.priority, Set(ready.values.map(\.priority)))
        checkTurn(key, taken, ready)
        waiting[key] = nil
        self.processing[key] = now + random.milliseconds(1..<8)
        return true
    }

    /// Reserved keys go first. Of the others one in eight comes from the backlog first.
    private mutating func checkPriority(_ priority: Priority, _ ready: Set<Priority>) {
        if ready.contains(.reserved), priority != .reserved { fail("\(priority) goes before reserved keys") }
        if priority == .backlog, ready.contains(.change) {
            if let last = lastBacklogShare, attempts - last < 8 { fail("the backlog has too many turns") }
            lastBacklogShare = attempts
        }
        let isPassed = ready.contains(.backlog) && !ready.contains(.reserved) && priority != .backlog
        backlogPassed = isPassed ? backlogPassed + 1 : 0
        if backlogPassed >= 8 { fail("the backlog starves") }
    }

    /// The flows of a priority take turns, and the keys of a flow that kept their priority come in their order.
    private mutating func checkTurn(_ key: Int, _ taken: Waiting, _ ready: [Int: Waiting]) {
        let flow = key % Self.flows
        let turns = Set(ready.map { Turn(priority: $0.value.priority, flow: $0.key % Self.flows) })
        passed = passed.filter { turns.contains($0.key) }
        passed[Turn(priority: taken.priority, flow: flow)] = nil
        for turn in turns where turn.priority == taken.priority && turn.flow != flow {
            if passed[turn, default: []].insert(flow).inserted == false {
                fail("flow \(flow) has two turns while flow \(turn.flow) waits")
            }
        }
        let overtaken = ready.filter {
            $0.key % Self.flows == flow && $0.key / 4 == key / 4 && $0.value.order < taken.order
        }
        if key / 4 < 2, let first = overtaken.keys.min() { fail("key \(key) overtakes key \(first)") }
    }

    private mutating func fail(_ problem: String) {
        if violation == nil { violation = "attempt \(attempts): \(problem)" }
    }
}
