import TestSupport
import Testing

@testable import Controller

/// Random loads in virtual time; see `WorkQueueSimulation`.
@Suite struct WorkQueuePropertyTests {
    @Test func runsEachKeyAfterItsLastAddInTheOrderOfPrioritiesAndFlows() async {
        let violation = await PropertyRun.violation(seeds: 40) { random in
            var simulation = WorkQueueSimulation(random)
            return simulation.run()
        }
        #expect(violation == nil)
    }

    /// Whatever is appended and found invalid, the flows with valid keys take turns, and the count is right.
    @Test func aFairQueueReturnsEachValidKeyOnce() async {
        let violation = await PropertyRun.violation(seeds: 40) { random in
            var queue = FairQueue<Int>()
            var (expected, invalid): ([Int], Set<Int>) = ([], [])
            for key in 0..<60 {
                queue.append(key, to: "\(random.number(0..<3))")
                if random.chance(0.4) { invalid.insert(key) } else { expected.append(key) }
                guard random.chance(0.3), let taken = queue.popFirst(where: { !invalid.contains($0) })
                else { continue }
                guard let index = expected.firstIndex(of: taken) else { return "\(taken) is returned twice" }
                expected.remove(at: index)
            }
            while let taken = queue.popFirst(where: { !invalid.contains($0) }) {
                guard let index = expected.firstIndex(of: taken) else { return "\(taken) is returned twice" }
                expected.remove(at: index)
            }
            if queue.count != 0 { return "\(queue.count) keys are counted in an empty queue" }
            return expected.isEmpty ? nil : "\(expected) are lost"
        }
        #expect(violation == nil)
    }
}
