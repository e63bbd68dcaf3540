import KubeClient
import TestSupport
import Testing

@testable import Controller

/// An API server that refuses for ever what a reconcile needs.
@Suite struct PersistentFailuresTests {
    private let start = ContinuousClock.now
    private let ref = ObjectRef(namespace: "n", name: "a")

    @Test func toldOnceItHasLastedAndNotBefore() {
        let troubles = PersistentFailures()
        #expect(!troubles.record(ref, now: start))
        #expect(!troubles.record(ref, now: start + .seconds(19)))
        #expect(troubles.record(ref, now: start + .seconds(20)))
        #expect(troubles.record(ref, now: start + .seconds(21)))
        #expect(!troubles.record(ObjectRef(namespace: "n", name: "b"), now: start + .seconds(21)))
        troubles.clear(ref)
        #expect(!troubles.record(ref, now: start + .seconds(22)))
    }

    @Test(arguments: [400, 500]) func theStatusSaysWhyAndTheSecretStays(code: Int) async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let before = cluster.password
        for _ in 0..<2 {
            cluster.server.failNext("PATCH", "/secrets/db", .status(code, "x"))
            #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        }
        #expect(cluster.reason == "Synced", "so far it may be a restart")
        // As if it had begun earlier.
        cluster.reconciler.tracker.persistentFailures.clear(cluster.ref)
        _ = cluster.reconciler.tracker.persistentFailures.record(
            cluster.ref, now: .now - PersistentFailures.gracePeriod)
        cluster.server.failNext("PATCH", "/secrets/db", .status(code, "x"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.reason == "APIServerError")
        #expect(cluster.condition("Ready")?["message"]?.string?.contains("Secret payments/db: ") == true)
        #expect(cluster.password == before)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.reason == "Synced" && cluster.password != before)
    }
}
