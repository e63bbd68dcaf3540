import TestSupport
import Testing

@testable import KMS

/// Random requests in virtual time, with the timer of `UnwrapBatcher`: each is sent once, in order, and in time.
struct BatchMachinePropertyTests {
    @Test func sendsEachRequestOnceWithinTheLimits() async {
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var run = BatchRun(random)
            return run.run()
        }
        #expect(violation == nil)
    }
}

private struct BatchRun {
    private static let policy: BatchMachine<Int>.Policy = {
        var policy = BatchMachine<Int>.Policy()
        (policy.targetSize, policy.maximumSize) = (6, 10)
        return policy
    }()

    private var random: SeededGenerator
    private var machine = BatchMachine<Int>(Self.policy)
    private var now = ContinuousClock.now
    /// When each request was added.
    private var added: [ContinuousClock.Instant] = []
    private var sentCount = 0
    private var sentAt: ContinuousClock.Instant?
    /// True if a request of this batch has announced more of them than the batch had.
    private var isExpecting = false
    private var wakesAt: ContinuousClock.Instant?
    private var problem: String?

    init(_ random: SeededGenerator) {
        self.random = random
    }

    mutating func run() -> String? {
        // The pace changes from a burst to a pause.
        for _ in 0..<12 where problem == nil {
            let longest = [1, 3, 30, 300, 3000].randomElement(using: &random) ?? 1
            for _ in 0..<random.number(1..<16) {
                wait(until: now + random.milliseconds(0..<longest))
                let backlog = random.chance(0.3) ? random.number(0..<20) : 0
                added.append(now)
                if backlog > added.count - sentCount { isExpecting = true }
                handle(machine.add(added.count - 1, backlog: backlog, now: now))
            }
        }
        wait(until: now + .seconds(10))
        if sentCount != added.count { fail("\(added.count - sentCount) requests are not sent") }
        return problem
    }

    private mutating func wait(until end: ContinuousClock.Instant) {
        while let wake = wakesAt, wake <= end, problem == nil {
            now = max(now, wake)
            wakesAt = nil
            handle(machine.advance(now: now))
        }
        now = end
    }

    private mutating func handle(_ action: BatchMachine<Int>.Action) {
        switch action {
        case .idle: if sentCount < added.count { fail("idle while requests wait") }
        case .wait(let until):
            if until <= now { fail("waits until a time that has passed") }
            // An earlier wake-up stays; it asks the machine again.
            wakesAt = min(wakesAt ?? until, until)
        case .send(let requests):
            check(requests)
            wakesAt = nil
            isExpecting = false
            sentCount += requests.count
            sentAt = now
        }
    }

    private mutating func check(_ requests: [Int]) {
        let policy = Self.policy
        if requests != Array(sentCount..<added.count) { fail("\(requests) are sent after \(sentCount)") }
        guard let first = requests.first, first < added.count else { return fail("an empty batch") }
        if requests.count > policy.maximumSize { fail("\(requests.count) requests are in a batch") }
        let duration = now - added[first]
        if duration > policy.backlogWindow.maximumDelay { fail("a request waits \(duration)") }
        let isSteady = sentAt.map { added[first] - $0 < policy.steadyWindow.maximumDelay } ?? false
        if !isExpecting, duration > policy.steadyWindow.maximumDelay { fail("waits \(duration) for nothing") }
        if !isExpecting, !isSteady, duration > policy.window { fail("a single request waits \(duration)") }
        if requests.count < policy.maximumSize, duration < policy.window { fail("waits only \(duration)") }
    }

    private mutating func fail(_ description: String) {
        if problem == nil { problem = description }
    }
}
