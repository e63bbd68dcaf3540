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

/// A reconciler with its caches and a fake API server. The caches change only in `syncCaches`, as if the watches were
/// slow.
struct TestCluster {
    static let secrets = "/api/v1/namespaces/payments/secrets"
    static let objects = "/apis/secrets-bridge.io/v1alpha1/namespaces/payments/wrappedsecrets"

    let server = FakeAPIServer()
    let transport: FakeTransport
    let keys: FakeKeyManager
    let informers: Informers
    let reconciler: Reconciler
    let ref = ObjectRef(namespace: "payments", name: "db")

    /// - Parameters:
    ///   - otherKeys: Keys of the controller's settings besides `keys`.
    ///   - keyProviders: The cluster that has the providers, or nil to serve none.
    init(
        limit: UnwrapRateLimit? = nil, otherKeys: [FakeKeyManager] = [],
        keyProviders: ProviderCluster? = nil,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) throws {
        let clock = Locked(0)
        transport = server.transport()
        keys = try FakeKeyManager()
        let informers = Informers(queue: WorkQueue(), logger: logger)
        informers.lead()
        self.informers = informers
        let cluster = ClusterConfiguration(server: "https://api.test")
        var options = Controller.Options()
        // The fake key manager takes no batches.
        options.workers = 0
        reconciler = Reconciler(
            client: KubeClient(connection: APIConnection(cluster, transport: transport)) { _ in },
            keys: ReconcileKeys(
                own: KeyRing(primary: keys, others: otherKeys),
                providers: keyProviders?.providers { informers.retryUsers(after: $0) }),
            informers: informers,
            limits: ReconcileLimits(
                unwraps: UnwrapRateLimiter(limit), memory: ReconcileMemoryLimiter { _ in },
                providers: ProviderUnwrapLimiter(workers: 128) { _ in }),
            options: options, logger: logger
        ) {
            clock.withLock {
                $0 += 1
                return "T\($0)"
            }
        }
    }

    /// A cluster with one WrappedSecret in its cache.
    static func withWrappedSecret(
        limit: UnwrapRateLimit? = nil, _ change: (inout AnyJSON) -> Void = { _ in }
    ) async throws -> TestCluster {
        let cluster = try TestCluster(limit: limit)
        try await cluster.apply(["password": "canary-1"], change)
        return cluster
    }

    /// Writes a new version of the WrappedSecret, and syncs the caches.
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

    /// Shows the state of the API server to the caches, as new lists.
    func syncCaches() throws { try list(to: informers) }

    /// Shows the state of the API server to the informers of any process, as new lists.
    func list(to informers: Informers) throws {
        informers.handle(WatcherEvent<WrappedSecret>.initStarted)
        for json in server.objects(under: Self.objects) { informers.handle(try Self.objectEvent(json)) }
        informers.handle(WatcherEvent<WrappedSecret>.initDone(resourceVersion: server.resourceVersion))
        informers.handle(WatcherEvent<SecretMetadata>.initStarted)
        for json in server.objects(under: Self.secrets)
        where json[["metadata", "labels", OwnershipMetadata.managedLabel]] == "true" {
            informers.handle(try Self.secretEvent(json))
        }
        informers.handle(WatcherEvent<SecretMetadata>.initDone(resourceVersion: server.resourceVersion))
    }

    /// Returns the event of a watch with the present WrappedSecret.
    func objectEvent() throws -> WatcherEvent<WrappedSecret> {
        try Self.objectEvent(try #require(object))
    }

    /// Returns the event of a watch with the present Secret.
    func secretEvent() throws -> WatcherEvent<SecretMetadata> {
        try Self.secretEvent(try #require(secret))
    }

    private static func objectEvent(_ json: AnyJSON) throws -> WatcherEvent<WrappedSecret> {
        .applied(try JSONReader.read(Decoded<WrappedSecret>.self, from: Array(json.data())))
    }

    private static func secretEvent(_ json: AnyJSON) throws -> WatcherEvent<SecretMetadata> {
        .applied(try JSONReader.read(Decoded<SecretMetadata>.self, from: Array(json.data())))
    }

    /// Reconciles once.
    ///
    /// - Returns: the outcome, and the requests that were sent.
    func reconcile() async -> (outcome: WorkQueue.Outcome, requests: [String]) {
        let before = transport.requests.count
        let outcome = await reconciler.reconcile(ref).outcome
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
