import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// Restarts and cleanups after a sync. `Ready` does not depend on them.
@Suite struct FollowUpTests {
    private static let deployments = "/apis/apps/v1/namespaces/payments/deployments"

    private static func addWorkloads(_ object: inout AnyJSON) {
        object[["spec", "rolloutRestart"]] = [
            ["kind": "Deployment", "name": "api"], ["kind": "Deployment", "name": "other"],
        ]
    }

    /// An object with new values, and two workloads that allow restarts.
    private static func withPendingRestarts() async throws -> TestCluster {
        let cluster = try await TestCluster.withWrappedSecret(addWorkloads)
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
            addWorkloads(&$0)
            $0[["metadata", "generation"]] = 4
        }
        return cluster
    }

    private static func restarted(_ name: String) -> FakeTransport.Response {
        .init(200, #"{"metadata": {"namespace": "payments", "name": "\#(name)"}}"#)
    }

    @Test func restartsTheOtherWorkloadsWhenOneFails() async throws {
        let cluster = try await Self.withPendingRestarts()
        let rejection = #"Internal error occurred: failed calling webhook \"x.example.org\": canary"#
        cluster.server.failNext("PATCH", "/deployments/api", .status(500, "InternalError", rejection))
        cluster.server.failNext("PATCH", "/deployments/other", Self.restarted("other"))
        let (outcome, requests) = await cluster.reconcile()
        #expect(outcome == .requeueRateLimited)
        #expect(requests.contains("PATCH deployments/other"))
        #expect(cluster.condition("Ready")?["status"] == "True")
        let condition = cluster.condition("RolloutRestarted")
        #expect(condition?["status"] == "False")
        #expect(condition?["reason"] == "APIServerError")
        let message = condition?["message"]?.string ?? ""
        #expect(message.contains("x.example.org"))
        #expect(
            message.contains("restarted: Deployment other"), "\(message)"
        )
        #expect(!message.contains("canary"))
        // Only the restart is pending.
        try cluster.syncCaches()
        for name in ["api", "other"] {
            cluster.server.failNext("PATCH", "/deployments/\(name)", Self.restarted(name))
        }
        let again = await cluster.reconcile()
        #expect(again.outcome == .done)
        #expect(!again.requests.contains { $0.contains("secrets/db") && $0.hasPrefix("PATCH secrets") })
        #expect(cluster.condition("RolloutRestarted")?["reason"] == "Restarted")
        #expect(cluster.condition("Ready")?["status"] == "True")
    }

    /// Another writer has changed the workload at the same time, which is no fault of it.
    @Test func retriesAConflictWithoutReportingIt() async throws {
        let cluster = try await Self.withPendingRestarts()
        cluster.server.failNext("PATCH", "/deployments/api", .status(409, "Conflict"))
        cluster.server.failNext("PATCH", "/deployments/other", Self.restarted("other"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.condition("RolloutRestarted") == nil)
        #expect(cluster.condition("Ready")?["status"] == "True")
    }

    /// The cached values have been replaced already.
    @Test func restartsNothingWhileTheServerHasALaterGeneration() async throws {
        let cluster = try await Self.withPendingRestarts()
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 5
        cluster.server["\(TestCluster.objects)/db"] = object
        #expect(!(await cluster.reconcile().requests.contains { $0.contains("deployments") }))
    }

    @Test func staysReadyWhenAFormerSecretCannotBeDeleted() async throws {
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
        #expect(cluster.object?["status"] == before)
        #expect(cluster.condition("Ready")?["status"] == "True")
    }
}
