import Envelope
import KubeClient
import Metrics
import System
import TestSupport
import Testing

@testable import Controller

/// What is an unwrap to the budget, and what is none.
@Suite struct UnwrapRateLimiterTests {
    /// One unwrap, and a thousandth of one in each second.
    private var one: UnwrapRateLimit {
        var limit = UnwrapRateLimit()
        (limit.rate, limit.burst) = (1, 1)
        return limit
    }

    private func isThrottled(_ outcome: WorkQueue.Outcome) -> Bool {
        if case .throttled = outcome { true } else { false }
    }

    private func change(_ cluster: TestCluster, _ value: String, generation: Int) async throws {
        try await cluster.apply(["password": value]) { $0[["metadata", "generation"]] = .int(generation) }
    }

    @Test func anObjectOverBudgetWaitsAndWritesNothing() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: one)
        #expect(await cluster.reconcile().outcome == .done)
        try await change(cluster, "canary-2", generation: 4)
        let run = await cluster.reconcile()
        #expect(isThrottled(run.outcome) && run.requests == [])
        #expect(cluster.keys.unwrapCount == 1)
        #expect(cluster.reason == "Synced", "what is said of the Secret stays")
    }

    @Test func whatNeedsNoKeyIsFree() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: one)
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        for _ in 0..<3 { #expect(await cluster.reconcile().outcome == .done) }
        // A template that changes, over an envelope that was opened.
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 4
        object[["spec", "template"]] = ["metadata": ["labels": ["team": "a"]]]
        cluster.server["\(TestCluster.objects)/db"] = object
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.secret?[["metadata", "labels", "team"]] == "a")
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func aKMSThatDoesNotServeIsNotSpent() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: one)
        cluster.keys.fail(.unavailable)
        for _ in 0..<3 {
            #expect(await cluster.reconcile().outcome == .requeueRateLimited)
            try cluster.syncCaches()
        }
        cluster.keys.fail(nil)
        #expect(await cluster.reconcile().outcome == .done)
    }

    @Test func whoeverNeedsNoKeyAnyMoreGivesUpItsPlace() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: one)
        let budget = cluster.reconciler.budget
        _ = await cluster.reconcile()
        try await change(cluster, "canary-2", generation: 4)
        #expect(isThrottled(await cluster.reconcile().outcome))
        try await cluster.apply { object in
            object[["metadata", "generation"]] = 5
            object[["spec", "suspend"]] = true
        }
        #expect(await cluster.reconcile().outcome == .done)
        let wait = budget.acquireToken(ObjectRef(namespace: "payments", name: "other"))
        // Behind nobody, it has its token within the second that one takes.
        #expect(wait.map { $0.until < .now + .seconds(1) } ?? true)
    }

    @Test func isCountedOnceForEachUnwrapThatWaits() async throws {
        let registry = MetricsRegistry()
        let metrics = KMSMetrics(registry)
        let budget = UnwrapRateLimiter(one, throttled: metrics.recordThrottledUnwrap)
        let ref = ObjectRef(namespace: "a", name: "x")
        for _ in 0..<5 { _ = budget.acquireToken(ref) }
        #expect(sample(registry.exposition(), "secretsbridge_kms_throttled_total") == 1)
    }

    @Test func withoutALimitNobodyWaits() {
        let budget = UnwrapRateLimiter(nil)
        for name in 0..<100_000 {
            #expect(budget.acquireToken(ObjectRef(namespace: "a", name: "\(name)")) == nil)
        }
        #expect(budget.availableTokens("a") == .max)
    }
}
