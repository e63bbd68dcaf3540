import JSON
import KubeClient
import Testing

@testable import Controller

@Suite struct LeasePropertyTests {
    @Test(arguments: 0..<8)
    func neverHasTwoLeadersWithClocksThatDifferByNineteenPercent(block: Int) {
        var leaderships = 0
        for seed in 0..<40 {
            var simulation = LeaseSimulation(seed: block * 1000 + seed)
            simulation.run(until: 600)
            #expect(simulation.violation == nil, "seed \(block * 1000 + seed)")
            leaderships += simulation.leadershipCount
            if simulation.violation != nil { return }
        }
        #expect(leaderships > 100, "the leaders changed only \(leaderships) times")
    }

    @Test(arguments: 0..<100)
    func hasALeaderWithinTwentySecondsOfADeath(seed: Int) {
        var faults = LeaseSimulation.Faults()
        faults.skew = 0
        faults.lossProbability = 0
        faults.longestDelay = 0.1
        faults.stallProbability = 0
        faults.deathProbability = 0
        faults.resignationProbability = 0
        var simulation = LeaseSimulation(seed: seed, faults)
        simulation.run(until: 60)
        #expect(simulation.leadershipCount == 1)
        let killed = simulation.killLeader()
        #expect(killed)
        simulation.run(until: 80)
        #expect(simulation.leadershipCount == 2)
        #expect(simulation.violation == nil)
    }

    @Test func canHaveTwoLeadersWithClocksBeyondTheBound() {
        var faults = LeaseSimulation.Faults()
        faults.skew = 0.5
        let isBroken = (0..<500).contains { seed in
            var simulation = LeaseSimulation(seed: seed, faults)
            simulation.run(until: 600)
            return simulation.violation != nil
        }
        #expect(isBroken)
    }
}

/// A lease that cannot be decoded could never be taken over.
@Suite struct LeaseDecodingTests {
    @Test func ignoresFieldsOfAnUnexpectedType() throws {
        let text = #"""
            {"metadata":{"name":"l","namespace":"n","resourceVersion":"4"},"spec":{"holderIdentity":"me",
             "leaseDurationSeconds":"15","leaseTransitions":99999999999999999999,"renewTime":{"a":[]},"acquireTime":null}}
            """#
        let record = LeaseRecord(try JSONReader.read(Lease.self, from: Array(text.utf8)))
        #expect(record.holder == "me")
        #expect(record.durationSeconds == nil)
        #expect(record.transitions == 0)
        #expect(record.renewTime == nil)
        #expect(record.resourceVersion == "4")
    }

    @Test func decodesALeaseWithoutASpec() throws {
        for spec in ["", #","spec":null"#, #","spec":[]"#] {
            let text = #"{"metadata":{"name":"l","resourceVersion":"4"}\#(spec)}"#
            #expect(LeaseRecord(try JSONReader.read(Lease.self, from: Array(text.utf8))).holder == "")
        }
    }
}
