import Envelope
import KubeClient
import Logging
import Resources
import TestSupport
import Testing

@testable import Controller

/// What is remembered of providers that are deleted while they are tested or used.
struct ProviderTesterTests {
    private let cluster = ProviderCluster()
    private let providers: Providers
    private let eu = ProviderRef(clusterKeyProvider: "eu")
    private let own = ProviderRef(keyProvider: ObjectRef(namespace: "payments", name: "own"))

    init() {
        providers = cluster.providers()
        providers.completeLists()
    }

    private func statuses(reporter: String? = nil) -> ProviderStatuses {
        ProviderStatuses(
            providers.caches, client: cluster.client, reporter: reporter, sharesNamespaces: true)
    }

    private func tester(_ statuses: ProviderStatuses) -> ProviderTester {
        ProviderTester(
            providers.caches, providers.rings, statuses, deniedAudiences: [],
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func delete(_ provider: ProviderRef) {
        let (object, path) = (provider.object, ProviderCluster.group)
        let metadata = ObjectMeta(name: object.name, namespace: object.namespace)
        if provider.isClusterScoped {
            cluster.server["\(path)/clusterkeyproviders/\(object.name)"] = nil
            providers.caches.handle(WatcherEvent<ClusterKeyProvider>.deleted(metadata))
        } else {
            cluster.server["\(path)/namespaces/\(object.namespace)/keyproviders/\(object.name)"] = nil
            providers.caches.handle(WatcherEvent<KeyProvider>.deleted(metadata))
        }
    }

    /// The API server knows of the deletion, and its watch has shown it, before the status is written.
    @Test func aFailedWriteToADeletedProviderLeavesNothing() async throws {
        let statuses = statuses()
        providers.caches.handle(.applied(try cluster.applyOwn("payments", of: "eu")))
        let state = try #require(statuses.state(of: own))
        delete(own)
        #expect(statuses.state(of: own) == nil)
        await #expect(throws: KubeError.self) {
            try await statuses.write(KeyProviderStatus(), of: own, over: state)
        }
        #expect(statuses.count == 0)
    }

    @Test(arguments: [nil, "wrap-reader"])
    func aUseOfADeletedProviderLeavesNothing(serviceAccount: String?) async throws {
        cluster.setKey("main", try FakeKeyManager())
        let applied = try cluster.apply("eu", key: "main", serviceAccount: serviceAccount)
        providers.caches.handle(.applied(applied))
        let resolved = try ProviderResolution(providers.caches).resolve(eu, for: "payments")
        delete(eu)
        let tester = tester(statuses())
        let failure = KeyManagerError(.unavailable, keyID: "k", message: "HTTP 500")
        tester.recordUse(of: resolved, .failure(.keyManager(failure)))
        #expect(!tester.isEmpty)
        let run = Task { await tester.run() }
        try await eventually { tester.isEmpty }
        run.cancel()
        await run.value
    }

    /// Its failure is not reported, because another controller reports that it works.
    @Test func aProviderThatIsDeletedDuringItsTestLeavesNothing() async throws {
        let tester = tester(statuses(reporter: "second"))
        let hook: @Sendable () async throws(KeyManagerError) -> Void = { () async throws(KeyManagerError) in
            delete(eu)
            tester.providerChanged(eu, isInitial: false)
            throw KeyManagerError(.accessDenied, keyID: "k", message: "denied")
        }
        cluster.setKey("main", HookedKeyManager(base: try FakeKeyManager(), hook: hook))
        try cluster.apply("eu", key: "main")
        cluster.setStatus("clusterkeyproviders/eu", ready: "True")
        let path = "\(ProviderCluster.group)/clusterkeyproviders/eu"
        cluster.server[path]?[["status", "reporter"]] = "first"
        let shown: Decoded<ClusterKeyProvider> = try cluster.read(path)
        providers.caches.handle(.applied(shown))
        tester.providerChanged(eu, isInitial: false)
        #expect(!tester.isEmpty)
        let run = Task { await tester.run() }
        try await eventually { tester.isEmpty }
        run.cancel()
        await run.value
        #expect(cluster.server[path] == nil)
    }
}
