import Testing

@testable import KMS

struct BatchMachineTests {
    private let start = ContinuousClock.now

    /// Runs arrivals (in milliseconds) through the machine, each with the backlog of its index.
    ///
    /// - Returns: When batches were sent, and their sizes.
    private func run(
        _ arrivals: [Int], until end: Int, backlog: (Int) -> Int = { _ in 0 }
    ) -> [(at: Int, size: Int)] {
        var machine = BatchMachine<Int>(.init(window: .milliseconds(3)))
        var batches: [(at: Int, size: Int)] = []
        var wake: ContinuousClock.Instant?
        var added = 0
        for millisecond in 0...end {
            let now = start + .milliseconds(millisecond)
            var actions: [BatchMachine<Int>.Action] = []
            for _ in 0..<arrivals.count(where: { $0 == millisecond }) {
                actions.append(machine.add(millisecond, backlog: backlog(added), now: now))
                added += 1
            }
            if let due = wake, due <= now { actions.append(machine.advance(now: now)) }
            for action in actions {
                switch action {
                case .send(let items):
                    batches.append((millisecond, items.count))
                    wake = nil
                case .wait(let until): wake = until
                case .idle: wake = nil
                }
            }
        }
        return batches
    }

    @Test func sendsASingleRequestAfterTheWindow() {
        let batches = run([10], until: 1000)
        #expect(batches.map(\.at) == [13])
    }

    @Test func sendsRequestsOfTheSameMomentTogether() {
        let batches = run([0, 0, 1, 2], until: 100)
        #expect(batches.map(\.at) == [3])
        #expect(batches.map(\.size) == [4])
    }

    @Test func sendsAFullBatchAtOnce() {
        let batches = run(Array(repeating: 5, count: 450), until: 100)
        #expect(batches.map(\.size) == [200, 200, 50])
        #expect(batches.map(\.at) == [5, 5, 30])
    }

    @Test func doesNotDelaySparseRequests() {
        let batches = run([0, 1000, 2000], until: 3000)
        #expect(batches.map(\.at) == [3, 1003, 2003])
    }

    @Test func delaysARequestShortlyAfterABatch() {
        let batches = run([0, 100], until: 1000)
        #expect(batches.map(\.at) == [3, 125])
    }

    /// One request each millisecond.
    @Test func sendsLargeBatchesInASteadyStream() {
        let batches = run(Array(0..<1000), until: 2000)
        #expect(batches.map(\.size).reduce(0, +) == 1000)
        #expect(batches.count <= 12)
        #expect(batches.dropFirst().dropLast().allSatisfy { $0.size >= 100 })
    }

    /// One request each 20 ms.
    @Test func sendsASlowStreamWithinTheMaximumDelay() {
        let arrivals = (0..<100).map { $0 * 20 }
        let batches = run(arrivals, until: 4000)
        #expect(batches.map(\.size).reduce(0, +) == 100)
        #expect(batches.dropFirst().allSatisfy { $0.size <= 26 })
        #expect(zip(batches, batches.dropFirst()).allSatisfy { $1.at - $0.at <= 525 })
    }

    /// A thousand requests, 40 a second, that the callers announce.
    @Test func sendsFewBatchesWhileThereIsABacklog() {
        let batches = run((0..<1000).map { $0 * 25 }, until: 30_000) { min(999 - $0, 80) }
        #expect(batches.map(\.size).reduce(0, +) == 1000)
        #expect(batches.count <= 20)
    }

    @Test func sendsTheBatchWhenTheBacklogDoesNotCome() {
        let batches = run([0, 10], until: 3000) { _ in 80 }
        #expect(batches.map(\.at) == [260])
    }

    @Test func sendsTheLastRequestsOfABacklogAfterTheWindow() {
        let batches = run([0, 1, 2], until: 3000) { 2 - $0 }
        #expect(batches.map(\.at) == [3])
    }
}
