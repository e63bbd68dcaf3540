import TestSupport

@testable import Controller

/// Simulates candidates with different clocks, a server, and a network that delays, loses and reorders messages, in virtual
/// time. A request can arrive after its sender has timed out or died.
struct LeaseSimulation {
    struct Faults {
        /// The maximum deviation of the rate of a clock.
        var skew = 0.19
        var lossProbability = 0.15
        var longestDelay = 25.0
        var deathProbability = 0.01
        var resignationProbability = 0.01
        /// The probability that a process pauses.
        var stallProbability = 0.05
        /// The probability that another writer annotates the lease before a request arrives.
        var annotationProbability = 0.0

        /// A network and processes that work, with clocks of the same rate.
        static var none: Faults {
            var faults = Faults()
            faults.skew = 0
            faults.lossProbability = 0
            faults.longestDelay = 0.1
            faults.deathProbability = 0
            faults.resignationProbability = 0
            faults.stallProbability = 0
            return faults
        }
    }

    private struct Process {
        var machine: Machine
        let rate: Double
        let offset: Double
        /// The number of the present request or wait; the results of earlier ones are ignored.
        var pending = 0
        var isLeaving = false

        func local(_ time: Double) -> ManualClock.Instant { at(offset + rate * time) }
        func time(of instant: ManualClock.Instant) -> Double {
            let (seconds, attoseconds) = instant.offset.components
            return (Double(seconds) + Double(attoseconds) * 1e-18 - offset) / rate
        }
    }

    private enum SimulatedEvent {
        case arrival(process: Int, request: Int, Machine.Effect)
        case input(process: Int, request: Int, Machine.Input)
        case birth(process: Int)
    }

    private var random: SeededGenerator
    /// Processes keep the clocks that they were born with.
    var faults: Faults
    private var time = 0.0
    private var order = 0
    private var future: [(time: Double, order: Int, event: SimulatedEvent)] = []
    private var processes: [Int: Process] = [:]
    private var births = 0
    private var lease: LeaseRecord?
    private var version = 0
    /// The number of times a candidate became the leader.
    private(set) var leadershipCount = 0
    private(set) var requestCount = 0
    /// Describes two leaders at the same time.
    private(set) var violation: String?

    init(seed: Int, candidates: Int = 3, _ faults: Faults = Faults()) {
        random = SeededGenerator(seed)
        self.faults = faults
        for _ in 0..<candidates { schedule(0, .birth(process: nextName())) }
    }

    mutating func run(until end: Double) {
        while violation == nil, let index = future.indices.min(by: { isEarlier($0, $1) }),
            future[index].time < end
        {
            let next = future.remove(at: index)
            time = next.time
            handle(next.event)
            check()
        }
    }

    private func isEarlier(_ left: Int, _ right: Int) -> Bool {
        (future[left].time, future[left].order) < (future[right].time, future[right].order)
    }

    private mutating func handle(_ event: SimulatedEvent) {
        switch event {
        case .birth(let name):
            let process = Process(
                machine: Machine(identity: "p\(name)", timing: LeaseTiming(), now: at(0)),
                rate: 1 + uniform(-faults.skew, faults.skew), offset: uniform(0, 1000))
            processes[name] = process
            act(name, .start)
        case .arrival(let name, let request, let effect):
            if faults.annotationProbability > 0, chance(faults.annotationProbability) { annotate() }
            let result = serve(effect)
            if !chance(faults.lossProbability) {
                schedule(delay(), .input(process: name, request: request, result))
            }
        case .input(let name, let request, let input):
            guard let process = processes[name], process.pending == request else { return }
            if chance(faults.deathProbability) { return die(name) }
            if process.machine.isLeading, chance(faults.resignationProbability) { return resign(name) }
            act(name, input)
        }
    }

    private mutating func act(_ name: Int, _ input: Machine.Input) {
        guard var process = processes[name] else { return }
        let led = process.machine.isLeading
        let effect = process.machine.advance(
            input, at: process.local(time), jitter: uniform(1 / LeaseTiming.jitterFactor, 1))
        process.pending += 1
        processes[name] = process
        if !led, process.machine.isLeading { leadershipCount += 1 }
        perform(name, effect)
    }

    private mutating func perform(_ name: Int, _ effect: Machine.Effect) {
        guard let process = processes[name] else { return }
        switch effect {
        case .get, .create, .update:
            requestCount += 1
            if !chance(faults.lossProbability) {
                schedule(delay(), .arrival(process: name, request: process.pending, effect))
            }
            let timeout = process.local(time).advanced(by: LeaseTiming().requestTimeout)
            schedule(
                process.time(of: timeout) - time + stall(),
                .input(process: name, request: process.pending, .failed))
        case .wait(let until):
            schedule(
                max(0, process.time(of: until) - time) + stall(),
                .input(process: name, request: process.pending, .waitEnded))
        case .stop:
            die(name)
        }
    }

    /// The processes that lead, or that have not noticed yet that their leadership has ended.
    var leaders: [Int] { processes.filter { $0.value.machine.isLeading }.keys.sorted() }

    /// Returns false if there was no leader.
    mutating func killLeader() -> Bool {
        guard let leader = leaders.first else { return false }
        die(leader)
        return true
    }

    /// Returns false if there was no leader.
    mutating func resignLeader() -> Bool {
        guard let leader = leaders.first else { return false }
        resign(leader)
        return true
    }

    private mutating func resign(_ name: Int) {
        guard var process = processes[name] else { return }
        process.isLeaving = true
        process.pending += 1
        let effect = process.machine.resign(at: process.local(time))
        processes[name] = process
        perform(name, effect)
    }

    /// Removes the process and schedules a new one.
    private mutating func die(_ name: Int) {
        processes[name] = nil
        schedule(uniform(0, 5), .birth(process: nextName()))
    }

    private mutating func serve(_ effect: Machine.Effect) -> Machine.Input {
        switch effect {
        case .get: return lease.map { .found($0) } ?? .notFound
        case .create(let claim): return lease == nil ? write(claim) : .conflict
        case .update(let claim, let version):
            return lease?.resourceVersion == version ? write(claim) : .conflict
        case .wait, .stop: return .failed
        }
    }

    /// Changes the version of the lease and nothing that candidates compare.
    private mutating func annotate() {
        version += 1
        lease?.resourceVersion = "\(version)"
    }

    private mutating func write(_ claim: LeaseClaim) -> Machine.Input {
        version += 1
        let new = record(
            claim.holder, version: version, renewed: "r\(version)", seconds: claim.durationSeconds,
            transitions: claim.transitions)
        lease = new
        return .written(new)
    }

    private mutating func check() {
        let working = processes.filter { _, process in
            guard let deadline = process.machine.deadline else { return false }
            return process.local(time) < deadline
        }
        if working.count > 1 { violation = "at \(time): \(working.keys.sorted())" }
    }

    private mutating func nextName() -> Int {
        births += 1
        return births
    }

    private mutating func schedule(_ delay: Double, _ event: SimulatedEvent) {
        order += 1
        future.append((time + delay, order, event))
    }

    private mutating func delay() -> Double {
        chance(0.1) ? uniform(0, faults.longestDelay) : uniform(0, min(0.2, faults.longestDelay))
    }

    private mutating func stall() -> Double {
        chance(faults.stallProbability) ? uniform(0, 20) : uniform(0, 0.01)
    }
    private mutating func chance(_ probability: Double) -> Bool { uniform(0, 1) < probability }
    private mutating func uniform(_ low: Double, _ high: Double) -> Double {
        low == high ? low : Double.random(in: low..<high, using: &random)
    }
}
