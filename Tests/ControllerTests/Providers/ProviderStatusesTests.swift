import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller
@testable import Envelope

struct ProviderStatusesTests {
    private let cluster = ProviderCluster()
    private let own = "namespaces/payments/keyproviders/own"

    /// The cache may show the status from before the last write of this process.
    @Test func reportsARepairedProviderAlthoughTheCacheStillShowsThatItWorks() async throws {
        let key = try FakeKeyManager()
        cluster.setKey("main", key)
        let providers = cluster.providers()
        providers.completeLists()
        try await providers.whileLeading {
            providers.caches.handle(.applied(try cluster.apply("eu", key: "main")))
            providers.caches.handle(.applied(try cluster.applyOwn("payments", of: "eu")))
            try await eventually { cluster.ready(own)?.status == "True" }
            let shown: Decoded<KeyProvider> = try cluster.read("\(ProviderCluster.group)/\(own)")
            providers.caches.handle(.applied(shown))

            key.fail(.keyUnavailable)
            providers.changeLabels(of: "payments", to: "1")
            try await eventually { cluster.ready(own)?.reason == "KeyUnavailable" }
            key.fail(nil)
            providers.changeLabels(of: "payments", to: "2")
            try await eventually { cluster.ready(own)?.status == "True" }
        }
    }

    /// A request that failed may have been executed.
    @Test func writesAStatusAgainAfterAFailedWrite() async throws {
        let key = try FakeKeyManager()
        cluster.setKey("main", key)
        let providers = cluster.providers()
        providers.completeLists()
        try await providers.whileLeading {
            providers.caches.handle(.applied(try cluster.apply("eu", key: "main")))
            providers.caches.handle(.applied(try cluster.applyOwn("payments", of: "eu")))
            try await eventually { cluster.ready(own)?.status == "True" }
            let shown: Decoded<KeyProvider> = try cluster.read("\(ProviderCluster.group)/\(own)")
            providers.caches.handle(.applied(shown))
            func writes() -> Int {
                cluster.transport.requests.count { $0.path.hasSuffix("keyproviders/own/status") }
            }
            let before = writes()
            key.fail(.keyUnavailable)
            cluster.server.failNext("PATCH", "keyproviders/own/status", .status(500, "InternalError"))
            providers.changeLabels(of: "payments", to: "1")
            try await eventually { writes() == before + 1 }
            key.fail(nil)
            providers.changeLabels(of: "payments", to: "2")
            try await eventually { writes() == before + 2 }
        }
    }

    /// The tester keeps one queue for each name, and tenants can write any number of names.
    @Test func aClusterKeyProviderThatDoesNotExistHasNoName() throws {
        let providers = cluster.providers()
        providers.completeLists()
        let own = ProviderRef(keyProvider: ObjectRef(namespace: "payments", name: "own"))
        providers.caches.handle(.applied(try cluster.applyOwn("payments", of: "eu")))
        #expect(providers.caches.clusterKeyProvider(of: own) == "")
        providers.caches.handle(.applied(try cluster.apply("eu", key: "main")))
        #expect(providers.caches.clusterKeyProvider(of: own) == "eu")
    }

    /// The test that the failure requests reports the last use.
    @Test func aUseThatSucceedsAfterAFailureIsWhatCounts() async throws {
        cluster.setKey("main", try FakeKeyManager())
        let providers = cluster.providers()
        providers.completeLists()
        try cluster.apply("eu", key: "main", serviceAccount: "wrap-reader")
        cluster.setStatus("clusterkeyproviders/eu", ready: "True")
        let eu: Decoded<ClusterKeyProvider> = try cluster.read(
            "\(ProviderCluster.group)/clusterkeyproviders/eu")
        providers.caches.handle(.applied(eu))
        let resolved = try ProviderResolution(providers.caches).resolve(
            ProviderRef(clusterKeyProvider: "eu"), for: "payments")
        let opened = OpenedEnvelope(entries: [], keyID: "k", keyVersion: nil)
        let failure = KeyManagerError(.unavailable, keyID: "k", message: "HTTP 500")
        providers.recordUse(of: resolved, .failure(.keyManager(failure)))
        providers.recordUse(of: resolved, .success(opened))
        try await providers.whileLeading {
            try await eventually { cluster.transport.requests.contains { $0.path.hasSuffix("eu/status") } }
        }
        #expect(cluster.ready("clusterkeyproviders/eu")?.status == "True")
    }

    /// A tenant can name a key version that does not exist.
    @Test func anErrorOfOneCiphertextSaysNothingOfAProviderForManyNamespaces() async throws {
        cluster.setKey("main", try FakeKeyManager())
        let providers = cluster.providers()
        providers.completeLists()
        try cluster.apply("eu", key: "main", serviceAccount: "wrap-reader")
        cluster.setStatus("clusterkeyproviders/eu", ready: "True")
        let eu: Decoded<ClusterKeyProvider> = try cluster.read(
            "\(ProviderCluster.group)/clusterkeyproviders/eu")
        providers.caches.handle(.applied(eu))
        let resolved = try ProviderResolution(providers.caches).resolve(
            ProviderRef(clusterKeyProvider: "eu"), for: "payments")
        let failure = KeyManagerError(
            .keyUnavailable, keyID: "k", message: "no such version", concernsOneCiphertext: true)
        providers.recordUse(of: resolved, .failure(.keyManager(failure)))
        try await providers.whileLeading {
            providers.caches.handle(.applied(try cluster.apply("us", key: "main")))
            try await eventually { cluster.ready("clusterkeyproviders/us")?.status == "True" }
        }
        #expect(cluster.ready("clusterkeyproviders/eu")?.reason != "KeyUnavailable")
    }

    // MARK: several controllers

    private func status(
        _ value: String, reporter: String?, generation: Int64 = 1
    ) -> KeyProviderStatus {
        var condition = Condition(
            .ready, value == "True", observedGeneration: generation, lastTransitionTime: "T1", reason: "R",
            message: "m")
        condition.status = value
        var status = KeyProviderStatus()
        status.observedGeneration = generation
        status.conditions = [condition]
        status.reporter = reporter
        return status
    }

    @Test(arguments: [
        // The reporter of the previous status, both statuses, and whether the controller b replaces it.
        ("a", "True", "False", false), ("a", "True", "True", false), ("a", "True", "Unknown", false),
        ("a", "False", "False", false), ("a", "False", "True", true), ("a", "Unknown", "True", true),
        ("b", "True", "False", true), (nil, "True", "False", true),
    ])
    func replacesWhatAnotherControllerReportsOnlyByASuccess(
        other: String?, previous: String, value: String, isReplaced: Bool
    ) {
        let new = status(value, reporter: "b")
        #expect(new.mayReplace(status(previous, reporter: other)) == isReplaced)
    }

    @Test func replacesTheStatusOfAnEarlierGeneration() {
        let new = status("False", reporter: "b", generation: 2)
        #expect(new.mayReplace(status("True", reporter: "a")))
        #expect(new.mayReplace(nil))
    }

    @Test func replacesEveryStatusIfTheControllerWatchesEverything() {
        #expect(status("False", reporter: nil).mayReplace(status("True", reporter: "a")))
    }

    @Test func doesNotReportItsFailureOverTheSuccessOfAnotherController() async throws {
        let key = try FakeKeyManager()
        cluster.setKey("main", key)
        let log = LogLines()
        let first = cluster.providers(namespaces: ["payments"], reporter: "first")
        let second = cluster.providers(namespaces: ["shop"], reporter: "second", logger: log.logger)
        for providers in [first, second] {
            providers.caches.handle(WatcherEvent<ClusterKeyProvider>.initStarted)
            providers.caches.handle(WatcherEvent<ClusterKeyProvider>.initDone(resourceVersion: "1"))
        }
        let path = "\(ProviderCluster.group)/clusterkeyproviders/eu"
        try await first.whileLeading {
            first.caches.handle(.applied(try cluster.apply("eu", key: "main")))
            try await eventually { cluster.ready("clusterkeyproviders/eu")?.status == "True" }
        }
        #expect(cluster.server[path]?[["status", "reporter"]] == "first")
        key.fail(.accessDenied)
        try await second.whileLeading {
            let shown: Decoded<ClusterKeyProvider> = try cluster.read(path)
            second.caches.handle(.applied(shown))
            try await eventually { log.fields.contains { $0["reported"] == "false" } }
        }
        #expect(cluster.ready("clusterkeyproviders/eu")?.status == "True")
        #expect(log.texts.count { $0.hasPrefix("warning key provider tested") } == 1)

        // The provider fails for the controller that reported its success.
        let providers = cluster.providers(namespaces: ["payments"], reporter: "first")
        providers.caches.handle(WatcherEvent<ClusterKeyProvider>.initStarted)
        providers.caches.handle(WatcherEvent<ClusterKeyProvider>.initDone(resourceVersion: "1"))
        try await providers.whileLeading {
            let shown: Decoded<ClusterKeyProvider> = try cluster.read(path)
            providers.caches.handle(.applied(shown))
            try await eventually { cluster.ready("clusterkeyproviders/eu")?.reason == "AccessDenied" }
        }
    }
}
