import Envelope
import KubeClient
import Metrics
import Primitives
import TestSupport
import Testing

@testable import Controller

/// What is an unwrap to the budget, and what is none.
@Suite struct UnwrapBudgetTests {
    /// One unwrap, and a thousandth of one in each second.
    private var one: UnwrapLimit {
        var limit = UnwrapLimit()
        (limit.rate, limit.burst) = (1, 1)
        return limit
    }

    private func isThrottled(_ outcome: WorkQueue.Outcome) -> Bool {
        if case .throttled = outcome { true } else { false }
    }

    private func change(_ cluster: Cluster, _ value: String, generation: Int) async throws {
        try await cluster.put(["password": value]) { $0[["metadata", "generation"]] = .int(generation) }
    }

    @Test func anObjectOverBudgetWaitsAndWritesNothing() async throws {
        let cluster = try await Cluster.with(limit: one)
        #expect(await cluster.run().outcome == .done)
        try await change(cluster, "canary-2", generation: 4)
        let run = await cluster.run()
        #expect(isThrottled(run.outcome) && run.requests == [])
        #expect(cluster.keys.unwraps == 1)
        #expect(cluster.reason == "Synced", "what is said of the Secret stays")
    }

    @Test func whatNeedsNoKeyIsFree() async throws {
        let cluster = try await Cluster.with(limit: one)
        _ = await cluster.run()
        try cluster.show()
        for _ in 0..<3 { #expect(await cluster.run().outcome == .done) }
        // A template that changes, over an envelope that was opened.
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 4
        object[["spec", "template"]] = ["metadata": ["labels": ["team": "a"]]]
        cluster.server["\(Cluster.objects)/db"] = object
        try cluster.show()
        #expect(await cluster.run().outcome == .done)
        #expect(cluster.secret?[["metadata", "labels", "team"]] == "a")
        #expect(cluster.keys.unwraps == 1)
    }

    @Test func aKMSThatDoesNotServeIsNotSpent() async throws {
        let cluster = try await Cluster.with(limit: one)
        cluster.keys.fail(.unavailable)
        for _ in 0..<3 {
            #expect(await cluster.run().outcome == .retry)
            try cluster.show()
        }
        cluster.keys.fail(nil)
        #expect(await cluster.run().outcome == .done)
    }

    @Test func whoeverNeedsNoKeyAnyMoreGivesUpItsPlace() async throws {
        let cluster = try await Cluster.with(limit: one)
        let budget = cluster.reconciler.budget
        _ = await cluster.run()
        try await change(cluster, "canary-2", generation: 4)
        #expect(isThrottled(await cluster.run().outcome))
        try await cluster.put { object in
            object[["metadata", "generation"]] = 5
            object[["spec", "suspend"]] = true
        }
        #expect(await cluster.run().outcome == .done)
        let wait = budget.take(ObjectRef(namespace: "payments", name: "other"))
        // Behind nobody, it has its token within the second that one takes.
        #expect(wait.map { $0.until < .now + .seconds(1) } ?? true)
    }

    @Test func isCountedOnceForEachUnwrapThatWaits() async throws {
        let registry = MetricsRegistry()
        let metrics = KMSMetrics(registry)
        let budget = UnwrapBudget(one, throttled: metrics.waits)
        let ref = ObjectRef(namespace: "a", name: "x")
        for _ in 0..<5 { _ = budget.take(ref) }
        #expect(sample(registry.exposition(), "secretsbridge_kms_throttled_total") == 1)
    }

    @Test func withoutALimitNobodyWaits() {
        let budget = UnwrapBudget(nil)
        for name in 0..<100_000 { #expect(budget.take(ObjectRef(namespace: "a", name: "\(name)")) == nil) }
        #expect(budget.available("a") == .max)
    }
}
