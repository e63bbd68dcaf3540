import Cryptography
import Envelope
import KubeClient
import Resources
import System
import TestSupport
import Testing

@testable import Controller

struct ProviderReconcileTests {
    /// The change is handled while the reconcile that used the previous provider has not recorded its failure yet.
    @Test func retriesAFailureOfTheProviderAsItWasBeforeAChange() async throws {
        let cluster = ProviderCluster()
        let objects = try TestCluster(keyProviders: cluster)
        let providers = try #require(objects.reconciler.keys.providers)
        providers.completeLists()
        cluster.setKey("right", objects.keys)
        cluster.setKey(
            "wrong",
            HookedKeyManager(base: objects.keys) { () async throws(KeyManagerError) in
                if let changed = try? cluster.apply("eu", key: "right", generation: 2) {
                    providers.caches.handle(.applied(changed))
                }
                throw KeyManagerError(.invalidCiphertext, keyID: "local:wrong", message: "scripted")
            })
        providers.caches.handle(.applied(try cluster.apply("eu", key: "wrong")))
        try await objects.apply { $0[["spec", "keyRef"]] = ["kind": "ClusterKeyProvider", "name": "eu"] }
        _ = await objects.reconcile()
        #expect(objects.reason == "DecryptFailed")
        try objects.syncCaches()
        #expect(await objects.reconcile().outcome == .done)
        #expect(objects.reason == "Synced")
    }

    @Test func doesNotRetryAFailureOfTheProviderAsItIs() async throws {
        let cluster = ProviderCluster()
        let objects = try TestCluster(keyProviders: cluster)
        let providers = try #require(objects.reconciler.keys.providers)
        providers.completeLists()
        let unwraps = Locked(0)
        cluster.setKey(
            "wrong",
            HookedKeyManager(base: objects.keys) { () async throws(KeyManagerError) in
                unwraps.withLock { $0 += 1 }
                throw KeyManagerError(.invalidCiphertext, keyID: "local:wrong", message: "scripted")
            })
        providers.caches.handle(.applied(try cluster.apply("eu", key: "wrong")))
        try await objects.apply { $0[["spec", "keyRef"]] = ["kind": "ClusterKeyProvider", "name": "eu"] }
        _ = await objects.reconcile()
        _ = await objects.reconcile()
        #expect(unwraps.withLock { $0 } == 1)
    }

    /// Also if the KMS unwraps a data key that does not fit the ciphertexts.
    @Test(arguments: [("ok", nil), ("integrityFailed", Base64.encode([UInt8](repeating: 1, count: 32)))])
    func theAuditLogNamesTheProvider(result: String, mac: String?) async throws {
        let cluster = ProviderCluster()
        let log = LogLines()
        let objects = try TestCluster(keyProviders: cluster, logger: log.logger)
        let providers = try #require(objects.reconciler.keys.providers)
        providers.completeLists()
        cluster.setKey("main", objects.keys)
        providers.caches.handle(.applied(try cluster.apply("eu", key: "main")))
        try await objects.apply {
            $0[["spec", "keyRef"]] = ["kind": "ClusterKeyProvider", "name": "eu"]
            if let mac { $0[["spec", "mac"]] = .string(mac) }
        }
        _ = await objects.reconcile()
        let line = try #require(log.fields.first { $0["recipients"] != nil })
        #expect(line["result"] == result)
        #expect(line["provider"] == "ClusterKeyProvider eu")
        #expect(line["key_id"] == objects.keys.keyID)
    }

    /// A deleted ClusterKeyProvider has no namespace in which the controller is sure to have the right to write an event.
    @Test func reportsADeletedProviderInTheNamespacesOfItsUsers() async throws {
        let cluster = ProviderCluster()
        let objects = try TestCluster(keyProviders: cluster)
        let providers = try #require(objects.reconciler.keys.providers)
        providers.completeLists()
        cluster.setKey("main", objects.keys)
        let provider = try cluster.apply("eu", key: "main")
        providers.caches.handle(.applied(provider))
        try await objects.apply { $0[["spec", "keyRef"]] = ["kind": "ClusterKeyProvider", "name": "eu"] }
        let events = EventRecorder(client: cluster.client, identity: "me", logger: LogLines().logger)
        let running = Task { await events.run() }
        let change = ProviderCaches.Change.provider(ProviderRef(clusterKeyProvider: "eu"), isInitial: false)
        try await providers.whileLeading {
            try await eventually { cluster.ready("clusterkeyproviders/eu") != nil }
            providers.reportDeletion(change, [objects.informers], events)
            providers.caches.handle(WatcherEvent<ClusterKeyProvider>.deleted(provider.metadata))
            providers.reportDeletion(change, [objects.informers], events)
            try await eventually { !cluster.server.objects(under: "/api/v1/namespaces").isEmpty }
        }
        running.cancel()
        await running.value
        let written = cluster.server.objects(under: "/api/v1/namespaces/payments/events/")
        #expect(written.map { $0["reason"]?.string } == ["DeletedInUse"])
        #expect(written.first?[["involvedObject", "kind"]] == "WrappedSecret")
        #expect(written.first?[["involvedObject", "name"]] == "db")
        #expect(
            written.first?["message"]?.string?.hasPrefix(
                "ClusterKeyProvider eu was deleted; 1 WrappedSecrets of this namespace use it") == true)
    }
}
