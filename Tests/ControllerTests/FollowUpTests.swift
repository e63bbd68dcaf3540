import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// What is left to do once the Secret is as it should be: `Ready` does not depend on it.
@Suite struct FollowUpTests {
    private static let deployments = "/apis/apps/v1/namespaces/payments/deployments"

    private static func restarts(_ object: inout JSONValue) {
        object[["spec", "rolloutRestart"]] = [
            ["kind": "Deployment", "name": "api"], ["kind": "Deployment", "name": "other"],
        ]
    }

    /// Synced, with other values than at first, and both workloads allow it.
    private static func owed() async throws -> Cluster {
        let cluster = try await Cluster.with(restarts)
        for name in ["api", "other"] {
            cluster.server["\(deployments)/\(name)"] = [
                "metadata": [
                    "name": .string(name), "namespace": "payments",
                    "annotations": [Markers.allowRestart: "db"],
                ]
            ]
        }
        #expect(await cluster.run().outcome == .done, "the first sync restarts nothing")
        try await cluster.put(["password": "canary-2"]) {
            restarts(&$0)
            $0[["metadata", "generation"]] = 4
        }
        return cluster
    }

    private static let restarted = FakeTransport.Response(200, #"{"metadata": {"name": "other"}}"#)

    @Test func aWorkloadThatCannotBeRestartedKeepsNoOtherFromIt() async throws {
        let cluster = try await Self.owed()
        let words = #"Internal error occurred: failed calling webhook \"x.example.org\": canary"#
        cluster.server.fail("PATCH", "/deployments/api", .status(500, "InternalError", words))
        cluster.server.fail("PATCH", "/deployments/other", Self.restarted)
        let (outcome, requests) = await cluster.run()
        #expect(outcome == .retry && requests.contains("PATCH deployments/other"))
        #expect(cluster.condition("Ready")?["status"] == "True")
        let condition = cluster.condition("RolloutRestarted")
        #expect(condition?["status"] == "False" && condition?["reason"] == "APIServerError")
        let message = condition?["message"]?.string ?? ""
        #expect(
            message.contains("x.example.org") && message.contains("restarted: Deployment other"), "\(message)"
        )
        #expect(!message.contains("canary"))
        // It is owed, and nothing else is to be done.
        try cluster.show()
        for name in ["api", "other"] { cluster.server.fail("PATCH", "/deployments/\(name)", Self.restarted) }
        let again = await cluster.run()
        #expect(
            again.outcome == .done
                && !again.requests.contains { $0.contains("secrets/db") && $0.hasPrefix("PATCH secrets") })
        #expect(cluster.condition("RolloutRestarted")?["reason"] == "Restarted")
        #expect(cluster.condition("Ready")?["status"] == "True")
    }

    /// Somebody was faster: that says nothing of the workload.
    @Test func aConflictIsNotTold() async throws {
        let cluster = try await Self.owed()
        cluster.server.fail("PATCH", "/deployments/api", .status(409, "Conflict"))
        cluster.server.fail("PATCH", "/deployments/other", Self.restarted)
        #expect(await cluster.run().outcome == .retry)
        #expect(cluster.condition("RolloutRestarted") == nil)
        #expect(cluster.condition("Ready")?["status"] == "True")
    }

    /// With an older cache than somebody else's, it would be restarted for values that are no more.
    @Test func nothingIsRestartedForALaterGeneration() async throws {
        let cluster = try await Self.owed()
        var object = try #require(cluster.object)
        object[["metadata", "generation"]] = 5
        cluster.server["\(Cluster.objects)/db"] = object
        #expect(!(await cluster.run().requests.contains { $0.contains("deployments") }))
    }

    @Test func aLeftoverThatCannotGoLeavesReadyAlone() async throws {
        let cluster = try await Cluster.with()
        _ = await cluster.run()
        var old = try #require(cluster.secret)
        old[["metadata", "name"]] = "old"
        old[["metadata", "uid"]] = "uid-of-old"
        old[["metadata", "annotations", Markers.source]] = "u1/2"
        cluster.server["\(Cluster.secrets)/old"] = old
        try cluster.show()
        let before = cluster.object?["status"]
        cluster.server.fail("DELETE", "/secrets/old", .status(403, "Forbidden", "no"))
        #expect(await cluster.run().outcome == .retry)
        #expect(cluster.object?["status"] == before && cluster.condition("Ready")?["status"] == "True")
    }
}
