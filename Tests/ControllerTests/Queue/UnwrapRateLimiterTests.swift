import Envelope
import KubeClient
import Metrics
import System
import TestSupport
import Testing

@testable import Controller

/// Which reconciles take an unwrap token.
@Suite struct UnwrapRateLimiterTests {
    /// One token, and one more per second.
    private var oneToken: UnwrapRateLimit {
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

    @Test func anObjectOverTheLimitWaitsAndWritesNothing() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: oneToken)
        #expect(await cluster.reconcile().outcome == .done)
        try await change(cluster, "canary-2", generation: 4)
        let run = await cluster.reconcile()
        #expect(isThrottled(run.outcome))
        #expect(run.requests == [])
        #expect(cluster.keys.unwrapCount == 1)
        #expect(cluster.reason == "Synced", "the status is unchanged")
    }

    @Test func aReconcileWithoutAnUnwrapTakesNoToken() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: oneToken)
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        for _ in 0..<3 { #expect(await cluster.reconcile().outcome == .done) }
        // The template changes; the envelope was decrypted before.
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 4
        object[["spec", "template"]] = ["metadata": ["labels": ["team": "a"]]]
        cluster.server["\(TestCluster.objects)/db"] = object
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.secret?[["metadata", "labels", "team"]] == "a")
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func anUnwrapThatTheKMSDoesNotServeIsRefunded() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: oneToken)
        cluster.keys.fail(.unavailable)
        for _ in 0..<3 {
            #expect(await cluster.reconcile().outcome == .requeueRateLimited)
            try cluster.syncCaches()
        }
        cluster.keys.fail(nil)
        #expect(await cluster.reconcile().outcome == .done)
    }

    /// Returns a cluster with a WrappedSecret of three recipients. The first two have other data keys than the third one.
    private func clusterWithThreeKeys() async throws -> (TestCluster, others: [FakeKeyManager]) {
        var limit = UnwrapRateLimit()
        (limit.rate, limit.burst) = (1, 20)
        let others = [try FakeKeyManager(seed: 8), try FakeKeyManager(seed: 9)]
        let cluster = try TestCluster(limit: limit, otherKeys: others)
        var recipients: [AnyJSON] = []
        for key in others {
            recipients += try await makeWrappedSecret(by: key).json[["spec", "recipients"]]?.items ?? []
        }
        try await cluster.apply { object in
            let own = object[["spec", "recipients"]]?.items ?? []
            object[["spec", "recipients"]] = .array(recipients + own)
        }
        return (cluster, others)
    }

    @Test func anOutageOfSeveralKMSCostsNoTokens() async throws {
        let (cluster, others) = try await clusterWithThreeKeys()
        for key in others + [cluster.keys] { key.fail(.unavailable) }
        for _ in 0..<4 {
            #expect(await cluster.reconcile().outcome == .requeueRateLimited)
            try cluster.syncCaches()
        }
        #expect(others.map(\.unwrapCount) == [4, 4])
        #expect(cluster.reconciler.limits.unwraps.availableTokens("payments") == 20)
    }

    @Test func anUnwrapAfterTwoThatWereNotServedCostsOneToken() async throws {
        let (cluster, others) = try await clusterWithThreeKeys()
        for key in others { key.fail(.unavailable) }
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.reconciler.limits.unwraps.availableTokens("payments") >= 19)
    }

    /// Only the first of them has waited for a token.
    @Test func eachUnwrapThatAKMSServesCostsAToken() async throws {
        let (cluster, others) = try await clusterWithThreeKeys()
        others[0].fail(.unavailable)
        let start = ContinuousClock.now
        #expect(await cluster.reconcile().outcome == .done)
        let tokens = cluster.reconciler.limits.unwraps.availableTokens("payments")
        let seconds = Int((ContinuousClock.now - start).components.seconds)
        #expect(18...18 + seconds ~= tokens)
    }

    @Test func anObjectThatNeedsNoKeyAnyMoreLeavesTheQueue() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: oneToken)
        let limiter = cluster.reconciler.limits.unwraps
        _ = await cluster.reconcile()
        try await change(cluster, "canary-2", generation: 4)
        #expect(isThrottled(await cluster.reconcile().outcome))
        try await cluster.apply { object in
            object[["metadata", "generation"]] = 5
            object[["spec", "suspend"]] = true
        }
        #expect(await cluster.reconcile().outcome == .done)
        let wait = limiter.acquireToken(ObjectRef(namespace: "payments", name: "other"))
        // The queue is empty, so the token is due within a second.
        #expect(wait.map { $0.until < .now + .seconds(1) } ?? true)
    }

    /// Otherwise 20 such objects would stop all verifications until their namespaces have tokens again.
    @Test func anObjectThatVerifiesNothingAnyMoreLeavesTheQueueOfVerifications() async throws {
        let cluster = try await TestCluster.withWrappedSecret(limit: oneToken)
        let pacer = cluster.reconciler.limits.verifications
        _ = await cluster.reconcile()
        let start = ContinuousClock.now
        for name in 0..<VerificationPacer.objectsPerSecond {
            #expect(pacer.nextTurn(ObjectRef(namespace: "other", name: "\(name)"), now: start) == nil)
        }
        let first = pacer.nextTurn(cluster.ref, now: start)
        #expect(first != nil)
        try await change(cluster, "canary-2", generation: 4)
        #expect(isThrottled(await cluster.reconcile().outcome))
        #expect(pacer.nextTurn(ObjectRef(namespace: "other", name: "next"), now: start) == first)
    }

    /// The object may be throttled by another limit, again and again, before it is verified.
    @Test func aTurnToVerifyLastsUntilItIsOver() {
        let pacer = VerificationPacer()
        let start = ContinuousClock.now
        let ref = ObjectRef(namespace: "payments", name: "db")
        for _ in 0..<2 * VerificationPacer.objectsPerSecond {
            #expect(pacer.nextTurn(ref, now: start) == nil)
        }
        for name in 1..<VerificationPacer.objectsPerSecond {
            #expect(pacer.nextTurn(ObjectRef(namespace: "other", name: "\(name)"), now: start) == nil)
        }
        pacer.forget(ref)
        #expect(pacer.nextTurn(ref, now: start) != nil)
    }

    @Test func countsEachWaitingUnwrapOnce() async throws {
        let registry = MetricsRegistry()
        let metrics = KMSMetrics(registry)
        let limiter = UnwrapRateLimiter(oneToken, throttled: metrics.recordThrottledUnwrap)
        let ref = ObjectRef(namespace: "a", name: "x")
        for _ in 0..<5 { _ = limiter.acquireToken(ref) }
        #expect(sample(registry.exposition(), "secretsbridge_kms_throttled_total") == 1)
    }

    @Test func grantsEveryTokenWithoutALimit() {
        let limiter = UnwrapRateLimiter(nil)
        for name in 0..<100_000 {
            #expect(limiter.acquireToken(ObjectRef(namespace: "a", name: "\(name)")) == nil)
        }
        #expect(limiter.availableTokens("a") == .max)
    }
}
