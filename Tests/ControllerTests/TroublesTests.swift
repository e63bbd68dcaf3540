import KubeClient
import TestSupport
import Testing

@testable import Controller

/// An API server that refuses for ever what a reconcile needs.
@Suite struct TroublesTests {
    private let start = ContinuousClock.now
    private let ref = ObjectRef(namespace: "n", name: "a")

    @Test func toldOnceItHasLastedAndNotBefore() {
        let troubles = Troubles()
        #expect(!troubles.last(ref, now: start))
        #expect(!troubles.last(ref, now: start + .seconds(19)))
        #expect(troubles.last(ref, now: start + .seconds(20)))
        #expect(troubles.last(ref, now: start + .seconds(21)))
        #expect(!troubles.last(ObjectRef(namespace: "n", name: "b"), now: start + .seconds(21)))
        troubles.end(ref)
        #expect(!troubles.last(ref, now: start + .seconds(22)))
    }

    @Test(arguments: [400, 500]) func theStatusSaysWhyAndTheSecretStays(code: Int) async throws {
        let cluster = try await Cluster.with()
        _ = await cluster.run()
        try await cluster.put(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let before = cluster.password
        for _ in 0..<2 {
            cluster.server.fail("PATCH", "/secrets/db", .status(code, "x"))
            #expect(await cluster.run().outcome == .retry)
        }
        #expect(cluster.reason == "Synced", "so far it may be a restart")
        // As if it had begun earlier.
        cluster.reconciler.tracker.troubles.end(cluster.ref)
        _ = cluster.reconciler.tracker.troubles.last(cluster.ref, now: .now - Troubles.patience)
        cluster.server.fail("PATCH", "/secrets/db", .status(code, "x"))
        #expect(await cluster.run().outcome == .retry)
        #expect(cluster.reason == "APIServerError")
        #expect(cluster.condition("Ready")?["message"]?.string?.contains("Secret payments/db: ") == true)
        #expect(cluster.password == before)
        try cluster.show()
        #expect(await cluster.run().outcome == .done)
        #expect(cluster.reason == "Synced" && cluster.password != before)
    }
}
