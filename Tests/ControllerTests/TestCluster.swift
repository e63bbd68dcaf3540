import Envelope
import Foundation
import HTTPTypes
import JSON
import KubeClient
import Logging
import Resources
import System
import TestSupport
import Testing

@testable import Controller

/// A reconciler, the caches it reads and the server it writes to. The caches show what `show` was told to
/// show, and nothing earlier: as slow as a watch can be.
struct TestCluster {
    static let secrets = "/api/v1/namespaces/payments/secrets"
    static let objects = "/apis/secrets-bridge.io/v1alpha1/namespaces/payments/wrappedsecrets"

    let server = FakeAPIServer()
    let transport: FakeTransport
    let keys: FakeKeyManager
    let informers: Informers
    let reconciler: Reconciler
    let ref = ObjectRef(namespace: "payments", name: "db")

    init(limit: UnwrapRateLimit? = nil) throws {
        let clock = Locked(0)
        transport = server.transport()
        keys = try FakeKeyManager()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        informers = Informers(queue: WorkQueue(), logger: logger)
        let cluster = ClusterConfiguration(server: "https://api.test", trust: .system)
        reconciler = Reconciler(
            client: KubeClient(connection: APIConnection(cluster, transport: transport)) { _ in },
            keys: keys.keyRing, objects: informers.objects, secrets: informers.secrets,
            tracker: informers.tracker, policy: OperatorPolicy(), ownedSecrets: informers.ownedSecrets,
            budget: UnwrapRateLimiter(limit), memory: ReconcileMemoryLimiter { _ in },
            pacer: VerificationPacer(),
            now: {
                clock.withLock {
                    $0 += 1
                    return "T\($0)"
                }
            }, expectedFollowUps: { 0 }, logger: logger,
            enqueue: { [queue = informers.queue] in queue.add($0) })
    }

    /// A cluster with one WrappedSecret in its cache.
    static func withWrappedSecret(
        limit: UnwrapRateLimit? = nil, _ change: (inout AnyJSON) -> Void = { _ in }
    ) async throws -> TestCluster {
        let cluster = try TestCluster(limit: limit)
        try await cluster.apply(["password": "canary-1"], change)
        return cluster
    }

    /// Applies a (new) WrappedSecret.
    func apply(
        _ values: [String: String] = ["password": "canary-1"], _ change: (inout AnyJSON) -> Void = { _ in }
    )
        async throws
    {
        var json = try await makeWrappedSecret(by: keys, values).json
        json["status"] = server["\(Self.objects)/db"]?["status"]
        change(&json)
        server["\(Self.objects)/db"] = json
        try syncCaches()
    }

    /// The watches catch up, by way of a new list.
    func syncCaches() throws {
        informers.handle(WatcherEvent<WrappedSecret>.initStarted)
        for json in server.objects(under: Self.objects) {
            informers.handle(
                .applied(try JSONReader.read(Decoded<WrappedSecret>.self, from: Array(json.data()))))
        }
        informers.handle(WatcherEvent<WrappedSecret>.initDone(resourceVersion: server.resourceVersion))
        informers.handle(WatcherEvent<SecretMetadata>.initStarted)
        for json in server.objects(under: Self.secrets)
        where json[["metadata", "labels", OwnershipMetadata.managedLabel]] == "true" {
            informers.handle(
                .applied(try JSONReader.read(Decoded<SecretMetadata>.self, from: Array(json.data()))))
        }
        informers.handle(WatcherEvent<SecretMetadata>.initDone(resourceVersion: server.resourceVersion))
    }

    /// Reconciles once; returns the outcome and the requests it took.
    func reconcile() async -> (outcome: WorkQueue.Outcome, requests: [String]) {
        let before = transport.requests.count
        let outcome = await reconciler.reconcile(ref)
        let requests = transport.requests.dropFirst(before).map { request in
            let last = request.path.split(separator: "/").suffix(request.path.hasSuffix("status") ? 3 : 2)
            return "\(request.method.rawValue) \(last.joined(separator: "/"))"
        }
        return (outcome, requests)
    }

    var secret: AnyJSON? { server["\(Self.secrets)/db"] }
    var object: AnyJSON? { server["\(Self.objects)/db"] }
    func condition(_ type: String) -> AnyJSON? {
        object?[["status", "conditions"]]?.items?.first { $0["type"]?.string == type }
    }
    var reason: String? { condition("Ready")?["reason"]?.string }
    var password: String? { secret?[["data", "password"]]?.string }
}
