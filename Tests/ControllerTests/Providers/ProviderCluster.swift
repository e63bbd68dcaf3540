import Cryptography
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

/// An API server with providers, and a key for each value of `spec.vaultTransit.key`. It lists what it has; its watches stay
/// open and bring nothing, so that a test decides what the caches see.
final class ProviderCluster: KeyManagerFactory {
    static let group = "/apis/secrets-bridge.io/v1alpha1"
    private static let kinds = [
        "wrappedsecrets": "WrappedSecret", "secrets": "Secret", "clusterkeyproviders": "ClusterKeyProvider",
        "keyproviders": "KeyProvider", "namespaces": "Namespace",
    ]

    let server = FakeAPIServer()
    /// The collections whose lists and watches are forbidden, and those whose watches alone are.
    let forbidden = Locked<Set<String>>([])
    let forbiddenWatches = Locked<Set<String>>([])
    let transport: FakeTransport
    let client: KubeClient
    private let keys = Locked<[String: any KeyManager]>([:])

    init() {
        let (server, forbidden, forbiddenWatches) = (server, forbidden, forbiddenWatches)
        transport = FakeTransport { request in
            let path = request.path.split(separator: "/").map(String.init)
            guard request.method == .get, let kind = path.last.flatMap({ Self.kinds[$0] }) else {
                return server.serve(request)
            }
            let isWatch = request.query.contains("watch=true")
            if forbidden.withLock({ $0.contains(request.path) })
                || isWatch && forbiddenWatches.withLock({ $0.contains(request.path) })
            {
                return .status(403, "Forbidden")
            }
            if request.query.contains("sendInitialEvents=true") { return .status(400, "BadRequest") }
            if isWatch { return .init(200, chunks: [], end: .stall) }
            let namespace = path.firstIndex(of: "namespaces").flatMap {
                $0 + 2 < path.count ? path[$0 + 1] : nil
            }
            let items = server.objects(under: "/").filter {
                $0["kind"]?.string == kind
                    && (namespace == nil || $0[["metadata", "namespace"]]?.string == namespace)
            }
            let list: AnyJSON = [
                "metadata": ["resourceVersion": .string(server.resourceVersion)], "items": .array(items),
            ]
            return .init(200, String(decoding: try list.data(), as: UTF8.self))
        }
        let configuration = ClusterConfiguration(server: "https://api.test")
        client = KubeClient(connection: APIConnection(configuration, transport: transport)) { _ in }
    }

    func keyManager(
        for settings: KeyProviderSettings, identity: (any IdentityTokenSource)?,
        observer: (any KeyManagerObserver)?
    ) throws(KeyProviderSettingsError) -> any KeyManager {
        guard let key = keys.withLock({ $0[settings.values["key"] ?? ""] }) else {
            throw KeyProviderSettingsError("the key is unknown")
        }
        return key
    }

    func setKey(_ name: String, _ key: any KeyManager) {
        keys.withLock { $0[name] = key }
    }

    /// Writes a ClusterKeyProvider that these namespaces may use.
    @discardableResult
    func apply(
        _ name: String, key: String, namespaces: [String] = ["payments"], generation: Int = 1,
        serviceAccount: String? = nil
    ) throws -> Decoded<ClusterKeyProvider> {
        let path = "\(Self.group)/clusterkeyproviders/\(name)"
        var json = server[path] ?? ["kind": "ClusterKeyProvider", "metadata": ["name": .string(name)]]
        json[["metadata", "generation"]] = .int(generation)
        json["spec"] = [
            "vaultTransit": ["address": "https://v", "key": .string(key)], "identity": ["audience": "vault"],
            "namespaces": ["names": .array(namespaces.map { .string($0) })],
        ]
        if let serviceAccount {
            json[["spec", "identity", "serviceAccountName"]] = .string(serviceAccount)
            json[["spec", "vaultTransit", "role"]] = "r"
        }
        server[path] = json
        return try read(path)
    }

    func setStatus(_ path: String, ready: String) {
        let condition: AnyJSON = [
            "type": "Ready", "status": .string(ready), "reason": "Ready", "message": "m",
        ]
        server["\(Self.group)/\(path)"]?["status"] = ["observedGeneration": 1, "conditions": [condition]]
    }

    /// Writes the KeyProvider `own` of a namespace.
    @discardableResult
    func applyOwn(_ namespace: String, of provider: String) throws -> Decoded<KeyProvider> {
        let path = "\(Self.group)/namespaces/\(namespace)/keyproviders/own"
        server[path] = [
            "kind": "KeyProvider",
            "metadata": ["name": "own", "namespace": .string(namespace), "generation": 1],
            "spec": ["clusterKeyProvider": .string(provider), "serviceAccountName": "wrap-reader"],
        ]
        return try read(path)
    }

    /// Returns an object as a watch shows it.
    func read<Object: KubeObject>(_ path: String) throws -> Decoded<Object> {
        try JSONReader.read(Decoded<Object>.self, from: Array(#require(server[path]).data()))
    }

    func ready(_ path: String) -> (status: String, reason: String)? {
        let condition = server["\(Self.group)/\(path)"]?[["status", "conditions"]]?.items?.first
        guard let status = condition?["status"]?.string, let reason = condition?["reason"]?.string else {
            return nil
        }
        return (status, reason)
    }

    func providers(
        namespaces: Set<String> = [], reporter: String? = nil, logger: Logger? = nil,
        retry: @escaping @Sendable (ProviderCaches.Change) -> Void = { _ in }
    ) -> Providers {
        Providers(
            client: client, factory: self, deniedAudiences: [], namespaces: namespaces, reporter: reporter,
            observer: Telemetry().kmsObserver(ofProvider:),
            logger: logger ?? Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, retry: retry)
    }
}

extension Providers {
    /// Shows empty lists to the caches.
    func completeLists() {
        caches.handle(WatcherEvent<ClusterKeyProvider>.initStarted)
        caches.handle(WatcherEvent<ClusterKeyProvider>.initDone(resourceVersion: "1"))
        caches.handle(WatcherEvent<KeyProvider>.initStarted)
        caches.handle(WatcherEvent<KeyProvider>.initDone(resourceVersion: "1"))
    }

    /// Requests a test of the KeyProviders of a namespace.
    func changeLabels(of namespace: String, to value: String) {
        var metadata = ObjectMeta(name: namespace)
        metadata.labels = ["revision": value]
        caches.handle(.applied(.object(NamespaceMetadata(metadata: metadata))))
    }

    /// Runs the tests of providers during `body`.
    func whileLeading(_ body: () async throws -> Void) async throws {
        let task = Task { await lead() }
        defer { task.cancel() }
        try await body()
    }
}

/// Waits until a condition holds.
func eventually(
    _ condition: () throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    for _ in 0..<3000 {
        if try condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("the condition did not hold within 30 s", sourceLocation: sourceLocation)
}

/// A key that runs a hook before each unwrap.
struct HookedKeyManager: KeyManager {
    let base: FakeKeyManager
    let hook: @Sendable () async throws(KeyManagerError) -> Void

    var keyID: String { base.keyID }
    func accepts(keyID: String) -> Bool { true }
    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await base.generateDataKey(for: binding)
    }
    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await base.wrap(dataKey, for: binding)
    }
    func unwrap(
        _ recipient: Recipient, for binding: Binding
    ) async throws(KeyManagerError) -> UnwrappedKey {
        try await hook()
        return try await base.unwrap(recipient, for: binding)
    }
}
