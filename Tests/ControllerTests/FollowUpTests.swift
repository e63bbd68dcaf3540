import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// What is left to do once the Secret is as it should be: `Ready` does not depend on it.
@Suite struct FollowUpTests {
    private static let deployments = "/apis/apps/v1/namespaces/payments/deployments"

    private static func restarts(_ object: inout AnyJSON) {
        object[["spec", "rolloutRestart"]] = [
            ["kind": "Deployment", "name": "api"], ["kind": "Deployment", "name": "other"],
        ]
    }

    /// Synced, with other values than at first, and both workloads allow it.
    private static func owed() async throws -> TestCluster {
        let cluster = try await TestCluster.withWrappedSecret(restarts)
        for name in ["api", "other"] {
            cluster.server["\(deployments)/\(name)"] = [
                "metadata": [
                    "name": .string(name), "namespace": "payments",
                    "annotations": [OwnershipMetadata.allowRestartAnnotation: "db"],
                ]
            ]
        }
        #expect(await cluster.reconcile().outcome == .done, "the first sync restarts nothing")
        try await cluster.apply(["password": "canary-2"]) {
            restarts(&$0)
            $0[["metadata", "generation"]] = 4
        }
        return cluster
    }

    private static let restarted = FakeTransport.Response(200, #"{"metadata": {"name": "other"}}"#)

    @Test func aWorkloadThatCannotBeRestartedKeepsNoOtherFromIt() async throws {
        let cluster = try await Self.owed()
        let words = #"Internal error occurred: failed calling webhook \"x.example.org\": canary"#
        cluster.server.failNext("PATCH", "/deployments/api", .status(500, "InternalError", words))
        cluster.server.failNext("PATCH", "/deployments/other", Self.restarted)
        let (outcome, requests) = await cluster.reconcile()
        #expect(outcome == .requeueRateLimited && requests.contains("PATCH deployments/other"))
        #expect(cluster.condition("Ready")?["status"] == "True")
        let condition = cluster.condition("RolloutRestarted")
        #expect(condition?["status"] == "False" && condition?["reason"] == "APIServerError")
        let message = condition?["message"]?.string ?? ""
        #expect(
            message.contains("x.example.org") && message.contains("restarted: Deployment other"), "\(message)"
        )
        #expect(!message.contains("canary"))
        // It is owed, and nothing else is to be done.
        try cluster.syncCaches()
        for name in ["api", "other"] {
            cluster.server.failNext("PATCH", "/deployments/\(name)", Self.restarted)
        }
        let again = await cluster.reconcile()
        #expect(
            again.outcome == .done
                && !again.requests.contains { $0.contains("secrets/db") && $0.hasPrefix("PATCH secrets") })
        #expect(cluster.condition("RolloutRestarted")?["reason"] == "Restarted")
        #expect(cluster.condition("Ready")?["status"] == "True")
    }

    /// Somebody was faster: that says nothing of the workload.
    @Test func aConflictIsNotTold() async throws {
        let cluster = try await Self.owed()
        cluster.server.failNext("PATCH", "/deployments/api", .status(409, "Conflict"))
        cluster.server.failNext("PATCH", "/deployments/other", Self.restarted)
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.condition("RolloutRestarted") == nil)
        #expect(cluster.condition("Ready")?["status"] == "True")
    }

    /// With an older cache than somebody else's, it would be restarted for values that are no more.
    @Test func nothingIsRestartedForALaterGeneration() async throws {
        let cluster = try await Self.owed()
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 5
        cluster.server["\(TestCluster.objects)/db"] = object
        #expect(!(await cluster.reconcile().requests.contains { $0.contains("deployments") }))
    }

    @Test func aLeftoverThatCannotGoLeavesReadyAlone() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        var old = try #require(cluster.secret)
        old[["metadata", "name"]] = "old"
        old[["metadata", "uid"]] = "uid-of-old"
        old[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = "u1/2"
        cluster.server["\(TestCluster.secrets)/old"] = old
        try cluster.syncCaches()
        let before = cluster.object?["status"]
        cluster.server.failNext("DELETE", "/secrets/old", .status(403, "Forbidden", "no"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.object?["status"] == before && cluster.condition("Ready")?["status"] == "True")
    }
}
