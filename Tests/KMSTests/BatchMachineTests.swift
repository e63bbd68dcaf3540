import Testing

@testable import KMS

struct BatchMachineTests {
    private let start = ContinuousClock.now

    /// Runs arrivals (in milliseconds) through the machine, each with what `more` says of its index; when batches
    /// went out, and their sizes.
    private func run(
        _ arrivals: [Int], until end: Int, more: (Int) -> Int = { _ in 0 }
    ) -> [(at: Int, size: Int)] {
        var machine = BatchMachine<Int>()
        var batches: [(at: Int, size: Int)] = []
        var wake: ContinuousClock.Instant?
        var added = 0
        for millisecond in 0...end {
            let now = start + .milliseconds(millisecond)
            var steps: [BatchMachine<Int>.Action] = []
            for _ in 0..<arrivals.count(where: { $0 == millisecond }) {
                steps.append(machine.add(millisecond, followedBy: more(added), now: now))
                added += 1
            }
            if let due = wake, due <= now { steps.append(machine.advance(now: now)) }
            for step in steps {
                switch step {
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

    @Test func aLoneRequestWaitsForTheWindowOnly() {
        let batches = run([10], until: 1000)
        #expect(batches.map(\.at) == [13])
    }

    @Test func whatComesTogetherGoesTogether() {
        let batches = run([0, 0, 1, 2], until: 100)
        #expect(batches.map(\.at) == [3])
        #expect(batches.map(\.size) == [4])
    }

    @Test func aFullBatchGoesAtOnce() {
        let batches = run(Array(repeating: 5, count: 450), until: 100)
        #expect(batches.map(\.size) == [200, 200, 50])
        #expect(batches.map(\.at) == [5, 5, 30])
    }

    /// Lone requests, one a second, are never held back.
    @Test func sparseRequestsAreNoStream() {
        let batches = run([0, 1000, 2000], until: 3000)
        #expect(batches.map(\.at) == [3, 1003, 2003])
    }

    @Test func twoShortlyAfterEachOther() {
        let batches = run([0, 100], until: 1000)
        #expect(batches.map(\.at) == [3, 125])
    }

    /// One request for each millisecond: after the first, batches are worth their requests.
    @Test func aStreamGoesOutInBatches() {
        let batches = run(Array(0..<1000), until: 2000)
        #expect(batches.map(\.size).reduce(0, +) == 1000)
        #expect(batches.count <= 12)
        #expect(batches.dropFirst().dropLast().allSatisfy { $0.size >= 100 })
    }

    /// One for each 20 ms: nobody waits longer than the patience.
    @Test func aSlowStreamIsNotHeldBackForLong() {
        let arrivals = (0..<100).map { $0 * 20 }
        let batches = run(arrivals, until: 4000)
        #expect(batches.map(\.size).reduce(0, +) == 100)
        #expect(batches.dropFirst().allSatisfy { $0.size <= 26 })
        #expect(zip(batches, batches.dropFirst()).allSatisfy { $1.at - $0.at <= 525 })
    }

    /// A thousand, 40 a second, of which the callers know: as few requests as for a fast stream.
    @Test func aSlowCrowdIsCollected() {
        let batches = run((0..<1000).map { $0 * 25 }, until: 30_000) { min(999 - $0, 80) }
        #expect(batches.map(\.size).reduce(0, +) == 1000)
        #expect(batches.count <= 20)
    }

    /// What is left is sent when nobody comes although somebody should.
    @Test func aCrowdThatStaysAwayIsNotWaitedFor() {
        let batches = run([0, 10], until: 3000) { _ in 80 }
        #expect(batches.map(\.at) == [260])
    }

    @Test func theLastOfACrowdIsNotHeldBack() {
        let batches = run([0, 1, 2], until: 3000) { 2 - $0 }
        #expect(batches.map(\.at) == [3])
    }
}
