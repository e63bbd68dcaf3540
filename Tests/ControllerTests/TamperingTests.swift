import Foundation
import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// Secrets and statuses that another writer changes in every way that the API server allows.
@Suite struct TamperingTests {
    /// Reads the Secret, which differs, and the ciphertexts, which are not in memory.
    private let repair = [
        "GET secrets/db", "GET wrappedsecrets/db", "PATCH secrets/db", "PATCH wrappedsecrets/db/status",
    ]
    private let canary1 = "Y2FuYXJ5LTE="
    private static let managedFields = ["metadata", "managedFields"]

    /// A cluster whose Secret is changed after a sync, as the watch shows it.
    private func synced(_ change: (inout AnyJSON) -> Void) async throws -> TestCluster {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try self.change(cluster, change)
        return cluster
    }

    private func change(_ cluster: TestCluster, _ change: (inout AnyJSON) -> Void) throws {
        var secret = try #require(cluster.secret)
        change(&secret)
        cluster.server["\(TestCluster.secrets)/db"] = secret
        try cluster.syncCaches()
    }

    /// A new process with the API server of `cluster`.
    private func restarted(_ cluster: TestCluster) throws -> TestCluster {
        let second = try TestCluster()
        second.server["\(TestCluster.objects)/db"] = cluster.object
        // Writes it often enough for another version than that in the status.
        for _ in 0..<9 { second.server["\(TestCluster.secrets)/db"] = cluster.secret }
        try second.syncCaches()
        return second
    }

    @Test func correctsAValueUnderForgedManagedFields() async throws {
        // Keeps the old managedFields, which a writer can restore.
        let cluster = try await synced { $0[["data", "password"]] = "ZXZpbA==" }
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == repair)
        #expect(cluster.password == canary1)
        #expect(cluster.reason == "Synced")
    }

    @Test func correctsAnAddedEntryUnderForgedManagedFields() async throws {
        let cluster = try await synced { $0[["data", "more"]] = "eA==" }
        #expect(await cluster.reconcile().requests == repair)
        #expect(cluster.secret?["data"] == ["password": .string(canary1)])
    }

    @Test func correctsARemovedEntryUnderForgedManagedFields() async throws {
        let cluster = try await synced { $0["data"] = .object([:]) }
        #expect(await cluster.reconcile().requests == repair)
        #expect(cluster.password == canary1)
    }

    /// The new process has no digest, and managedFields show no change.
    @Test func correctsAValueThatWasChangedBeforeARestart() async throws {
        let cluster = try await synced { $0[["data", "password"]] = "ZXZpbA==" }
        let second = try restarted(cluster)
        _ = await second.reconcile()
        #expect(second.password == canary1)
        #expect(second.keys.unwrapCount == 1)
    }

    @Test func verifiesTheDataWithoutTheKMSWhenALabelChanges() async throws {
        let cluster = try await synced { $0[["metadata", "labels", "foreign"]] = "1" }
        _ = await cluster.reconcile()
        #expect(cluster.keys.unwrapCount == 1)
        #expect(cluster.password == canary1)
        #expect(await cluster.reconcile().requests == [], "the next reconcile reads nothing")
    }

    @Test func doesNotReadASecretWhoseVersionHasNotChanged() async throws {
        let cluster = try await synced { _ in }
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func removesATemplateLabelFromAnAdoptedSecret() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[["spec", "template", "metadata", "labels"]] = ["team": "a"]
        }
        cluster.server["\(TestCluster.secrets)/db"] = [
            "metadata": [
                "name": "db", "namespace": "payments", "labels": ["team": "a"],
                "annotations": ["secrets-bridge.io/allow": "adopt"],
                "managedFields": [
                    ["manager": "kubectl-create", "fieldsV1": ["f:metadata": ["f:labels": ["f:team": [:]]]]]
                ],
            ],
            "type": "Opaque", "data": ["password": .string(canary1)],
        ]
        _ = await cluster.reconcile()
        try await cluster.apply { $0[["metadata", "generation"]] = 4 }
        _ = await cluster.reconcile()
        #expect(cluster.secret?[["metadata", "labels", "team"]] == nil)
    }

    @Test func restoresASecretThatLostAllOurMetadata() async throws {
        let cluster = try await synced {
            $0[["metadata", "ownerReferences"]] = nil
            $0[["metadata", "annotations"]] = nil
            $0[["metadata", "labels"]] = nil
            $0["data"] = ["password": "ZXZpbA=="]
        }
        _ = await cluster.reconcile()
        #expect(cluster.password == canary1)
        #expect(cluster.secret?[["metadata", "ownerReferences"]]?.items?.count == 1)
        #expect(cluster.reason == "Synced")
    }

    @Test func doesNotAdoptAnotherWrappedSecretsSecretThatStillAllowsAdoption() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.server["\(TestCluster.secrets)/db"] = [
            "metadata": [
                "name": "db", "namespace": "payments",
                "annotations": [
                    "secrets-bridge.io/allow": "adopt", "secrets-bridge.io/creation-policy": "Orphan",
                    "secrets-bridge.io/wrapped-secret": "other",
                ],
            ],
            "type": "Opaque", "data": ["old": "eA=="],
        ]
        _ = await cluster.reconcile()
        #expect(cluster.reason == "OwnedByAnother")
        #expect(cluster.secret?["data"] == ["old": "eA=="])
    }

    // MARK: statuses

    @Test func correctsAStatusThatAnotherWriterChanged() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        let queue = cluster.informers.queue
        while queue.count > 0 { _ = await queue.processNext { _ in .done } }
        let correct = cluster.object?["status"]
        var object = try #require(cluster.object)
        var conditions = try #require(object[["status", "conditions"]]?.items)
        conditions[0]["status"] = "False"
        object[["status", "conditions"]] = .array(conditions)
        object[["status", "observedGeneration"]] = 1
        cluster.server["\(TestCluster.objects)/db"] = object
        cluster.informers.handle(
            .applied(try JSONReader.read(Decoded<WrappedSecret>.self, from: Array(object.data()))))
        #expect(queue.count == 1, "the object is queued")
        #expect(await cluster.reconcile().requests == ["PATCH wrappedsecrets/db/status"])
        #expect(cluster.reason == "Synced")
        #expect(cluster.object?[["status", "observedGeneration"]] == correct?["observedGeneration"])
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func correctsTheStatusOfATerminalFailure() async throws {
        let cluster = try await TestCluster.withWrappedSecret { $0[["spec", "mac"]] = "AA==" }
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        let correct = cluster.object?["status"]
        var object = try #require(cluster.object)
        object[["status", "conditions"]] = .array([])
        cluster.server["\(TestCluster.objects)/db"] = object
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == ["PATCH wrappedsecrets/db/status"])
        #expect(cluster.object?["status"] == correct)
    }

    // MARK: contested Secrets

    /// A forged generation must not bypass the throttle.
    @Test func throttlesRepairsOfASecretWithAForgedSource() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for _ in 0..<20 where cluster.reason != "SecretContested" {
            try change(cluster) {
                $0[["metadata", "annotations", OwnershipMetadata.sourceAnnotation]] = "u1/9223372036854775807"
                $0[["data", "password"]] = "ZXZpbA=="
            }
            _ = await cluster.reconcile()
        }
        #expect(cluster.reason == "SecretContested")
    }

    @Test func reportsAnotherSecretsBridgeThatContestsTheSecret() async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        for index in 0..<20 where cluster.reason != "SecretContested" {
            try change(cluster) {
                $0[["data", "password"]] = .string(Data("other-\(index)".utf8).base64EncodedString())
            }
            _ = await cluster.reconcile()
        }
        let message = cluster.condition("Ready")?["message"]?.string ?? ""
        #expect(message.contains("another Secrets Bridge"))
        #expect(message.contains("field manager secrets-bridge"))
    }
}
