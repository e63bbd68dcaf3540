import Envelope
import JSON
import KubeClient
import Logging
import Resources
import TestSupport
import Testing

@testable import Controller

/// The start of a controller whose caches show objects in sync.
@Suite struct StartTests {
    private static let secret = "\(TestCluster.secrets)/db"
    private static let object = "\(TestCluster.objects)/db"

    /// Returns the cluster of an object that another process has synced, and the informers of a new process.
    private func synced(
        policy: OperatorPolicy = OperatorPolicy(), _ change: (inout AnyJSON) -> Void = { _ in }
    ) async throws -> (cluster: TestCluster, informers: Informers) {
        let cluster = try await TestCluster.withWrappedSecret(change)
        #expect(await cluster.reconcile().outcome == .done)
        return (cluster, Self.informers(policy))
    }

    private static func informers(_ policy: OperatorPolicy = OperatorPolicy()) -> Informers {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return Informers(queue: WorkQueue(), logger: logger, codec: CacheCodec(policy: policy))
    }

    @Test func queuesNothingForAnObjectInSync() async throws {
        let (cluster, informers) = try await synced()
        try cluster.list(to: informers)
        #expect(informers.queue.count == 0)
        informers.lead()
        #expect(informers.queue.count == 0)
        #expect(informers.counts.ready.values.reduce(0, +) == 1)
        #expect(informers.ownedSecrets.ownedSecretNames(by: cluster.ref) == ["db"])
    }

    @Test(arguments: [
        ["metadata", "labels", "app.kubernetes.io/managed-by"], ["metadata", "annotations", "extra"],
        ["metadata", "resourceVersion"], ["metadata", "uid"], ["metadata", "deletionTimestamp"],
    ])
    func queuesAnObjectWhoseSecretIsAnother(path: [String]) async throws {
        let (cluster, informers) = try await synced()
        cluster.server[Self.secret]?[path] = "9"
        try cluster.list(to: informers)
        informers.lead()
        #expect(informers.queue.count == 1)
    }

    @Test func queuesAnObjectWhoseSecretIsMissingOrHasLostItsOwner() async throws {
        for owners in [nil, AnyJSON.array([])] {
            let (cluster, informers) = try await synced()
            if let owners {
                cluster.server[Self.secret]?[["metadata", "ownerReferences"]] = owners
            } else {
                cluster.server[Self.secret] = nil
            }
            try cluster.list(to: informers)
            informers.lead()
            #expect(informers.queue.count == 1)
        }
    }

    private static let changes: [([String], AnyJSON)] = [
        (["metadata", "generation"], AnyJSON.int(9)), (["spec", "suspend"], .bool(true)),
        (["metadata", "annotations"], ["secrets-bridge.io/sync": "now"]), (["spec", "mac"], "other"),
        (["status", "observedGeneration"], .int(9)), (["status", "conditions"], .array([])),
        (["spec", "keyRef"], ["kind": "KeyProvider", "name": "eu"]),
        (["spec", "rolloutRestart"], [["kind": "Deployment", "name": "api"]]),
        (["spec", "template"], ["metadata": ["labels": ["a": "b"]]]),
        (["status", "secret", "renderVersion"], .int(0)),
    ]

    @Test(arguments: changes)
    func queuesAnObjectThatIsNotInSync(path: [String], value: AnyJSON) async throws {
        let (cluster, informers) = try await synced()
        cluster.server[Self.object]?[path] = value
        try cluster.list(to: informers)
        informers.lead()
        #expect(informers.queue.count == 1)
    }

    @Test func queuesAnObjectThatTheOperatorsSettingsChange() async throws {
        for policy in [OperatorPolicy(labels: ["team": "a"]), OperatorPolicy(scopes: [.cluster])] {
            let (cluster, informers) = try await synced(policy: policy)
            try cluster.list(to: informers)
            informers.lead()
            #expect(informers.queue.count == 1)
        }
    }

    /// A process that ended after it wrote the Secret under a new name has left the former one.
    @Test func queuesAnObjectThatHasAnotherSecret() async throws {
        let (cluster, informers) = try await synced()
        var former = try #require(cluster.secret)
        former[["metadata", "name"]] = "former"
        cluster.server["\(TestCluster.secrets)/former"] = former
        try cluster.list(to: informers)
        informers.lead()
        #expect(informers.queue.count == 1)
    }

    @Test func queuesAnObjectThatHasMergedEntries() async throws {
        for uid in ["another", "own"] {
            let (cluster, informers) = try await synced()
            var shared = try #require(cluster.secret)
            let own = try #require(cluster.object?[["metadata", "uid"]]?.string)
            shared["metadata"] = [
                "name": "shared", "namespace": "payments", "resourceVersion": "7",
                "labels": [OwnershipMetadata.managedLabel: "true"],
                "annotations": [
                    try MergeIdentity("db").sourceAnnotation: .string("\(uid == "own" ? own : uid)/1")
                ],
            ]
            cluster.server["\(TestCluster.secrets)/shared"] = shared
            try cluster.list(to: informers)
            informers.lead()
            #expect(informers.queue.count == (uid == "own" ? 1 : 0))
        }
    }

    /// Between the lists, the watch that is complete shows changes.
    @Test func looksAtTheLastVersionOfASecretThatChangesBeforeTheStart() async throws {
        let (cluster, informers) = try await synced()
        try cluster.list(to: informers)
        cluster.server[Self.secret]?[["metadata", "resourceVersion"]] = "999"
        informers.handle(try cluster.secretEvent())
        informers.lead()
        #expect(informers.queue.count == 1)
    }

    @Test func correctsTheStatusThatAnotherWriterChangesAfterTheStart() async throws {
        let (cluster, informers) = try await synced()
        try cluster.list(to: informers)
        informers.lead()
        cluster.server[Self.object]?[["metadata", "resourceVersion"]] = "999"
        informers.handle(try cluster.objectEvent())
        #expect(informers.queue.count == 0, "only the version has changed")
        cluster.server[Self.object]?[["status", "keyID"]] = "forged"
        informers.handle(try cluster.objectEvent())
        #expect(informers.queue.count == 1)
    }

    /// Otherwise it would revert what the leader writes once it leads.
    @Test func aStandbyExpectsNoStatus() async throws {
        let (cluster, informers) = try await synced()
        try cluster.list(to: informers)
        cluster.server[Self.object]?[["status", "keyID"]] = "written-by-the-leader"
        informers.handle(try cluster.objectEvent())
        informers.lead()
        #expect(!informers.tracker.syncRecord(cluster.ref).isExternallyModified(nil, of: .init(name: "db")))
        #expect(informers.queue.count == 0)
    }

    @Test func aLaterListOfSecretsQueuesOnlyWhatIsNotInSync() async throws {
        let (cluster, informers) = try await synced()
        try cluster.list(to: informers)
        informers.lead()
        try cluster.list(to: informers)
        #expect(informers.queue.count == 0)
        cluster.server[Self.secret] = nil
        try cluster.list(to: informers)
        #expect(informers.queue.count == 1)
    }
}
