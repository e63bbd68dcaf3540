import Envelope
import KubeClient
import Logging
import Resources
import System
import TestSupport
import Testing

@testable import Controller

struct ProviderUnwrapLimiterTests {
    private let woken = Locked<[ObjectRef]>([])
    private var limiter: ProviderUnwrapLimiter {
        ProviderUnwrapLimiter(workers: 8) { [woken] ref in woken.withLock { $0.append(ref) } }
    }

    private func ref(_ name: String, _ namespace: String = "n") -> ObjectRef {
        ObjectRef(namespace: namespace, name: name)
    }

    @Test func givesAClusterKeyProviderAQuarterOfTheWorkers() {
        let limiter = limiter
        #expect(limiter.reserve("eu", for: ref("1")))
        #expect(limiter.reserve("eu", for: ref("2")))
        #expect(limiter.reserve("eu", for: ref("2")), "a place is reserved once")
        #expect(!limiter.reserve("eu", for: ref("3")))
        #expect(limiter.reserve("us", for: ref("4")))
    }

    @Test func givesAllProvidersThreeQuarters() {
        let limiter = limiter
        for provider in ["a", "b", "c"] {
            #expect(limiter.reserve(provider, for: ref("\(provider)1")))
            #expect(limiter.reserve(provider, for: ref("\(provider)2")))
        }
        #expect(!limiter.reserve("d", for: ref("d1")))
        limiter.release(ref("a1"))
        #expect(woken.withLock { $0 } == [ref("d1")])
        #expect(limiter.reserve("d", for: ref("d1")))
    }

    @Test func letsNamespacesTakeTurns() {
        let limiter = limiter
        for name in ["1", "2"] { _ = limiter.reserve("eu", for: ref(name)) }
        for name in ["3", "4", "4"] { #expect(!limiter.reserve("eu", for: ref(name))) }
        #expect(!limiter.reserve("eu", for: ref("5", "other")))
        limiter.release(ref("1"))
        limiter.release(ref("2"))
        #expect(woken.withLock { $0 } == [ref("3"), ref("5", "other")])
        // A place that its object does not need is passed on.
        limiter.release(ref("3"))
        #expect(woken.withLock { $0 }.last == ref("4"))
        for name in ["4", "1", "unknown"] { limiter.release(ref(name)) }
        limiter.release(ref("5", "other"))
        #expect(woken.withLock { $0 }.count == 3)
        #expect(limiter.reserve("eu", for: ref("6")))
        #expect(limiter.reserve("eu", for: ref("7")))
        #expect(!limiter.reserve("eu", for: ref("8")))
    }

    /// Two workers have a place for one provider only, for which there are always more objects.
    @Test func letsProvidersTakeTurns() {
        let limiter = ProviderUnwrapLimiter(workers: 2) { [woken] ref in woken.withLock { $0.append(ref) } }
        #expect(limiter.reserve("a", for: ref("a0")))
        for index in 1...3 { #expect(!limiter.reserve("a", for: ref("a\(index)"))) }
        #expect(!limiter.reserve("b", for: ref("b1")))
        for _ in 0..<2 { limiter.release(woken.withLock { $0.last } ?? ref("a0")) }
        #expect(woken.withLock { $0 } == [ref("a1"), ref("b1")])
    }

    /// The provider that has waited longer has three places, and the other one has one.
    @Test func givesAFreePlaceToTheProviderWithTheFewest() {
        let limiter = ProviderUnwrapLimiter(workers: 16) { [woken] ref in woken.withLock { $0.append(ref) } }
        for (provider, count) in [("a", 3), ("b", 1), ("c", 4), ("d", 4)] {
            for index in 0..<count { #expect(limiter.reserve(provider, for: ref("\(provider)\(index)"))) }
        }
        #expect(!limiter.reserve("a", for: ref("a-next")))
        #expect(!limiter.reserve("b", for: ref("b-next")))
        limiter.release(ref("c0"))
        #expect(woken.withLock { $0 } == [ref("b-next")])
    }

    @Test func movesAnObjectWhoseKeyProviderRefersToAnotherClusterKeyProvider() {
        let limiter = limiter
        for name in ["1", "2", "3"] { _ = limiter.reserve("eu", for: ref(name)) }
        #expect(limiter.reserve("us", for: ref("3")))
        #expect(limiter.reserve("us", for: ref("2")))
        #expect(woken.withLock { $0 } == [])
        #expect(limiter.reserve("eu", for: ref("4")))
        #expect(!limiter.reserve("eu", for: ref("5")))
    }

    /// A KMS behind many KeyProviders, each with a circuit breaker of its own, must not hold every worker.
    @Test func aHangingKeyManagerBehindManyProvidersDelaysNoOtherKey() async throws {
        // Without a limit, these hold every worker before all of the others have had their turn.
        let most = try await mostHangingUnwraps(tenants: 200, others: 120, valueBytes: 8, untilHanging: 32)
        // The tests of providers are limited by themselves.
        #expect(most <= 32 + ProviderTestMachine.maximumRunning)
    }

    /// Nor the memory: each of these objects reserves 6 of 32 MiB. The tests of providers hang too.
    @Test func aHangingKeyManagerWithLargeObjectsDelaysNoOtherKey() async throws {
        let most = try await mostHangingUnwraps(tenants: 8, others: 2, valueBytes: 900_000, untilHanging: 5)
        #expect(most <= 1 + ProviderTestMachine.maximumRunningPerCluster)
    }

    /// Runs a controller until all objects of other keys are synced.
    ///
    /// - Parameters:
    ///   - tenants: The number of namespaces whose objects have a KMS that does not answer.
    ///   - others: The number of objects with the controller's own key, and of those with another ClusterKeyProvider.
    ///   - untilHanging: How many unwraps hang before the others are waited for.
    /// - Returns: How many unwraps hung at the same time.
    private func mostHangingUnwraps(
        tenants: Int, others: Int, valueBytes: Int, untilHanging: Int
    ) async throws -> Int {
        let cluster = ProviderCluster()
        let keys = try FakeKeyManager()
        let hanging = Locked((now: 0, most: 0))
        cluster.setKey("good", keys)
        cluster.setKey(
            "hanging",
            HookedKeyManager(base: keys) { () async throws(KeyManagerError) in
                hanging.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                try? await Task.sleep(for: .seconds(600))
                hanging.withLock { $0.now -= 1 }
                throw KeyManagerError(.unavailable, keyID: keys.keyID, message: "does not answer")
            })
        let tenants = (0..<tenants).map { "tenant-\($0)" }
        let values = ["password": String(repeating: "v", count: valueBytes)]
        try cluster.apply("hanging", key: "hanging", namespaces: tenants)
        try cluster.apply("good", key: "good")
        let object = try await makeWrappedSecret(by: keys, values)
        for tenant in tenants {
            try cluster.applyOwn(tenant, of: "hanging")
            var json = object.json
            json[["metadata", "namespace"]] = .string(tenant)
            json[["spec", "keyRef"]] = ["kind": "KeyProvider", "name": "own"]
            cluster.server["\(ProviderCluster.group)/namespaces/\(tenant)/wrappedsecrets/db"] = json
        }
        // They were synced before, so that those above have priority.
        let names = (0..<others).flatMap { ["default-\($0)", "good-\($0)"] }
        for name in names {
            let object = try await makeWrappedSecret(name, by: keys, values)
            var json = object.json
            if name.hasPrefix("good") {
                json[["spec", "keyRef"]] = ["kind": "ClusterKeyProvider", "name": "good"]
            }
            json["status"] = [
                "observedGeneration": 3,
                "secret": [
                    "name": .string(name), "uid": "u", "resourceVersion": "1", "generation": 3,
                    "mac": .string(object.spec.envelope.mac),
                ],
            ]
            cluster.server["\(ProviderCluster.group)/namespaces/payments/wrappedsecrets/\(name)"] = json
        }
        var options = Controller.Options()
        options.workers = 128
        let controller = Controller(
            client: cluster.client, keys: keys.keyRing, keyManagerFactory: cluster, options: options,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let task = Task { try await controller.run() }
        try await eventually { hanging.withLock { $0.now } >= untilHanging }
        let secrets = "/api/v1/namespaces/payments/secrets"
        try await eventually { names.allSatisfy { cluster.server["\(secrets)/\($0)"] != nil } }
        task.cancel()
        try? await task.value
        return hanging.withLock { $0.most }
    }
}
