import Testing

@testable import Controller

@Suite struct LeasePropertyTests {
    @Test(
        "Never two leaders, whatever is delayed, lost or dies, with clocks that run 19 % off",
        arguments: 0..<8)
    func safety(block: Int) {
        var leaderships = 0
        for seed in 0..<40 {
            var world = LeaseSimulation(seed: block * 1000 + seed)
            world.run(until: 600)
            #expect(world.violation == nil, "seed \(block * 1000 + seed)")
            leaderships += world.leadershipCount
            if world.violation != nil { return }
        }
        #expect(leaderships > 100, "leaders come and go: \(leaderships)")
    }

    @Test("With a network that works somebody leads within 20 s of a death", arguments: 0..<100)
    func liveness(seed: Int) {
        var faults = LeaseSimulation.Faults()
        faults.skew = 0
        faults.lossProbability = 0
        faults.longestDelay = 0.1
        faults.stallProbability = 0
        faults.deathProbability = 0
        faults.resignationProbability = 0
        var world = LeaseSimulation(seed: seed, faults)
        world.run(until: 60)
        #expect(world.leadershipCount == 1)
        let killed = world.killLeader()
        #expect(killed)
        world.run(until: 80)
        #expect(world.leadershipCount == 2)
        #expect(world.violation == nil)
    }

    @Test("Beyond the bound there may be two: the bound is where it is said to be")
    func bound() {
        var faults = LeaseSimulation.Faults()
        faults.skew = 0.5
        let isBroken = (0..<500).contains { seed in
            var world = LeaseSimulation(seed: seed, faults)
            world.run(until: 600)
            return world.violation != nil
        }
        #expect(isBroken)
    }
}
