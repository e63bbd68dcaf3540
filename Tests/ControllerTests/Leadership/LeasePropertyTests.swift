import Testing

@testable import Controller

@Suite struct LeasePropertyTests {
    @Test(
        "Never two leaders, whatever is delayed, lost or dies, with clocks that run 19 % off",
        arguments: 0..<8)
    func safety(block: Int) {
        var leaderships = 0
        for seed in 0..<40 {
            var world = LeaseWorld(seed: block * 1000 + seed)
            world.run(until: 600)
            #expect(world.violation == nil, "seed \(block * 1000 + seed)")
            leaderships += world.leaderships
            if world.violation != nil { return }
        }
        #expect(leaderships > 100, "leaders come and go: \(leaderships)")
    }

    @Test("With a network that works somebody leads within 20 s of a death", arguments: 0..<100)
    func liveness(seed: Int) {
        var faults = LeaseWorld.Faults()
        faults.skew = 0
        faults.loss = 0
        faults.longestDelay = 0.1
        faults.stall = 0
        faults.deaths = 0
        faults.departures = 0
        var world = LeaseWorld(seed: seed, faults)
        world.run(until: 60)
        #expect(world.leaderships == 1)
        let killed = world.killLeader()
        #expect(killed)
        world.run(until: 80)
        #expect(world.leaderships == 2)
        #expect(world.violation == nil)
    }

    @Test("Beyond the bound there may be two: the bound is where it is said to be")
    func bound() {
        var faults = LeaseWorld.Faults()
        faults.skew = 0.5
        let isBroken = (0..<500).contains { seed in
            var world = LeaseWorld(seed: seed, faults)
            world.run(until: 600)
            return world.violation != nil
        }
        #expect(isBroken)
    }
}
