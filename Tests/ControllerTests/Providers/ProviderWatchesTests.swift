import KubeClient
import Metrics
import Resources
import System
import TestSupport
import Testing

@testable import Controller

struct ProviderWatchesTests {
    private let cluster = ProviderCluster()
    private let log = LogLines()
    private let all = "\(ProviderCluster.group)/keyproviders"
    private let clusterWide = "\(ProviderCluster.group)/clusterkeyproviders"
    private func collection(_ namespace: String) -> String {
        "\(ProviderCluster.group)/namespaces/\(namespace)/keyproviders"
    }

    private var timing: WatcherOptions {
        var timing = WatcherOptions()
        timing.sleep = { _ in try await Task.sleep(for: .milliseconds(1)) }
        return timing
    }

    private func lists(_ path: String) -> Int { cluster.transport.requests.count { $0.path == path } }

    private func watching(_ providers: Providers, _ body: () async throws -> Void) async throws {
        let task = Task { await providers.watch(timing, WatchStartSemaphore()) }
        try await body()
        task.cancel()
        await task.value
    }

    @Test func listsKeyProvidersOnlyInTheWatchedNamespaces() async throws {
        try cluster.applyOwn("payments", of: "eu")
        try cluster.applyOwn("other", of: "eu")
        let providers = cluster.providers(namespaces: ["payments", "shop"])
        let own = ProviderRef(keyProvider: ObjectRef(namespace: "payments", name: "own"))
        try await watching(providers) {
            try await eventually { providers.caches.hasListed(own) }
            try await eventually { lists(collection("shop")) > 0 }
        }
        #expect(providers.caches.providers == [own])
        #expect(lists(all) == 0)
        #expect(lists(collection("other")) == 0)
    }

    @Test func servesTheOtherNamespacesIfOneIsForbidden() async throws {
        cluster.forbidden.withLock { _ = $0.insert(collection("shop")) }
        let providers = cluster.providers(namespaces: ["payments", "shop"])
        let refs = ["payments", "shop"].map {
            ProviderRef(keyProvider: ObjectRef(namespace: $0, name: "own"))
        }
        try await watching(providers) {
            try await eventually { providers.caches.hasListed(refs[0]) }
            try await eventually { providers.caches.listError(refs[1]) != nil }
        }
        #expect(providers.caches.listError(refs[0]) == nil)
        #expect(!providers.caches.hasListed(refs[1]))
        #expect(providers.caches.hasListed(ProviderRef(clusterKeyProvider: "eu")))
    }

    @Test func reportsAWatchThatLosesItsPermissionInReadinessAndOnceInTheLog() async throws {
        cluster.forbiddenWatches.withLock { _ = $0.insert(clusterWide) }
        let now = Locked(SuspendingClock.now)
        let providers = cluster.providers(logger: log.logger)
        let watches = ProviderWatches(providers.caches, client: cluster.client, namespaces: []) {
            now.withLock { $0 }
        }
        let task = Task { await watches.run(timing, WatchStartSemaphore()) }
        try await eventually { lists(clusterWide) > 10 }
        #expect(watches.problems == [])
        now.withLock { $0 += .seconds(121) }
        let problem = try #require(watches.problems.first)
        #expect(watches.problems.count == 1)
        #expect(problem.hasPrefix("watch of clusterkeyproviders: no progress for 121 s, "), "\(problem)")
        #expect(problem.hasSuffix("the last one: forbidden"), "\(problem)")
        task.cancel()
        await task.value
        #expect(log.texts == ["warning watch interrupted clusterkeyproviders "])
        #expect(watches.listed.map(\.resource.plural).sorted() == ["clusterkeyproviders", "keyproviders"])
    }

    @Test func reportsNothingIfTheProvidersWereNeverListed() async throws {
        cluster.forbidden.withLock { $0 = [clusterWide, all] }
        let now = Locked(SuspendingClock.now)
        let providers = cluster.providers(logger: log.logger)
        let watches = ProviderWatches(providers.caches, client: cluster.client, namespaces: []) {
            now.withLock { $0 }
        }
        let task = Task { await watches.run(timing, WatchStartSemaphore()) }
        try await eventually { lists(clusterWide) > 10 && lists(all) > 10 }
        now.withLock { $0 += .seconds(600) }
        #expect(watches.problems == [])
        #expect(log.texts == [])
        task.cancel()
        await task.value
    }

    @Test func theProgressMetricIncludesTheWatchesOfProviders() async throws {
        cluster.forbiddenWatches.withLock { _ = $0.insert(all) }
        let providers = cluster.providers()
        let telemetry = Telemetry()
        let keys = try FakeKeyManager()
        telemetry.attach(WorkQueue(), [], [], keys.keyRing, providers, workers: 1)
        #expect(telemetry.health.readiness().isHealthy)
        try await watching(providers) { try await eventually { lists(all) > 5 } }
        let page = telemetry.registry.exposition()
        #expect(
            page.contains(#"secretsbridge_watch_last_progress_timestamp_seconds{resource="keyproviders"}"#))
    }
}
