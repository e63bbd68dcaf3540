import TestSupport
import Testing

@testable import Controller

/// The candidates of a lease that another writer annotates, in a network that fails and recovers; see `LeaseSimulation`.
@Suite struct LeaseRecoveryPropertyTests {
    private static let candidates = 3

    @Test func oneCandidateLeadsOnceTheNetworkIsWell() async {
        var faults = LeaseSimulation.Faults()
        faults.annotationProbability = 0.2
        let violation = await PropertyRun.violation(seeds: 12) { [faults] random in
            var simulation = LeaseSimulation(
                seed: random.number(0..<1_000_000), candidates: Self.candidates, faults)
            simulation.run(until: 300)
            if let violation = simulation.violation { return violation }
            // Each candidate sends a request every two seconds, and some more after a conflict.
            guard simulation.requestCount < Self.candidates * 300 * 3 / 2 else {
                return "\(simulation.requestCount) requests in 300 s"
            }
            simulation.faults = .none
            // Requests that were sent before arrive, processes that were stalled continue, and the lease of a dead one expires.
            simulation.run(until: 400)
            let (leaders, changes) = (simulation.leaders, simulation.leadershipCount)
            simulation.run(until: 450)
            if let violation = simulation.violation { return violation }
            guard leaders.count == 1 else { return "the leaders are \(leaders)" }
            guard simulation.leaders == leaders, simulation.leadershipCount == changes else {
                return "\(leaders) lost the lease to \(simulation.leaders)"
            }
            return nil
        }
        #expect(violation == nil)
    }

    @Test func anotherCandidateLeadsSoonAfterALeaderHasResigned() async {
        let violation = await PropertyRun.violation(seeds: 20) { random in
            var simulation = LeaseSimulation(
                seed: random.number(0..<1_000_000), candidates: Self.candidates, .none)
            simulation.run(until: 60)
            guard simulation.leadershipCount == 1, simulation.resignLeader() else {
                return "\(simulation.leadershipCount) leaderships in a network that is well"
            }
            simulation.run(until: 64)
            if let violation = simulation.violation { return violation }
            guard simulation.leadershipCount == 2, simulation.leaders.count == 1 else {
                return "the leaders are \(simulation.leaders) after a resignation"
            }
            return nil
        }
        #expect(violation == nil)
    }
}
