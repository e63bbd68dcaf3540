import Cryptography
import Envelope
import HTTP
import KubeClient
import Resources
import System
import TestSupport
import Testing

@testable import Controller

struct ProviderKeyRingsTests {
    /// Counts the key managers that it creates and those that are maintained.
    private final class Factory: KeyManagerFactory {
        let created = Locked(0)
        let maintained = Locked(0)
        let identities = Locked<[String]>([])

        func keyManager(
            for settings: KeyProviderSettings, identity: (any IdentityTokenSource)?,
            observer: (any KeyManagerObserver)?
        ) throws(KeyProviderSettingsError) -> any KeyManager {
            guard settings.values["key"] != "bad" else { throw KeyProviderSettingsError("the key is bad") }
            created.withLock { $0 += 1 }
            if let identity { identities.withLock { $0.append(identity.name) } }
            do {
                return MaintainedKey(base: try FakeKeyManager(), count: maintained)
            } catch {
                throw KeyProviderSettingsError("\(error)")
            }
        }
    }

    private struct MaintainedKey: MaintainedKeyManager {
        let base: FakeKeyManager
        let count: Locked<Int>

        var keyID: String { base.keyID }
        func accepts(keyID: String) -> Bool { base.accepts(keyID: keyID) }
        func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
            try await base.generateDataKey(for: binding)
        }
        func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
            try await base.wrap(dataKey, for: binding)
        }
        func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError)
            -> UnwrappedKey
        { try await base.unwrap(recipient, for: binding) }
        func maintain(onRecovery: @escaping @Sendable () -> Void) async {
            count.withLock { $0 += 1 }
            try? await Task.sleep(for: .seconds(3600))
            count.withLock { $0 -= 1 }
        }
    }

    private let factory = Factory()
    /// Providers with other settings in the caches than the resolved ones.
    private let changed = Locked<Set<ResolvedProvider>>([])
    private let rings: ProviderKeyRings

    init() {
        let cluster = ClusterConfiguration(server: "https://api.test", trust: .system)
        let client = KubeClient(
            connection: APIConnection(cluster, transport: FakeAPIServer().transport())
        ) { _ in }
        rings = ProviderKeyRings(
            client: client, factory: factory, observer: Telemetry().kmsObserver(ofProvider:)
        ) { [changed] provider in
            !changed.withLock { $0.contains(provider) }
        } onRecovery: { _ in
        }
    }

    private func provider(
        _ name: String = "eu", key: String = "k", account: String? = nil
    ) -> ResolvedProvider {
        ResolvedProvider(
            provider: ProviderRef(clusterKeyProvider: name), clusterKeyProvider: name, uid: "u",
            settings: KeyProviderSettings(backend: "vault-transit", values: ["key": key]),
            serviceAccount: account.map {
                .init(ref: ObjectRef(namespace: "payments", name: $0), audience: "vault")
            })
    }

    @Test func sharesAKeyManagerAmongEqualProviders() throws {
        _ = try rings.ring(for: provider())
        _ = try rings.ring(for: provider())
        #expect(factory.created.withLock { $0 } == 1)
        _ = try rings.ring(for: provider(account: "reader"))
        #expect(factory.created.withLock { $0 } == 2)
        #expect(factory.identities.withLock { $0 } == ["the token of service account payments/reader"])
    }

    @Test func endsTheMaintenanceOfAnIdleProvider() async throws {
        let start = ContinuousClock.now
        _ = try rings.ring(for: provider("idle"), now: start)
        _ = try rings.ring(for: provider("used"), now: start)
        while factory.maintained.withLock({ $0 }) < 2 { try await Task.sleep(for: .milliseconds(5)) }
        let later = start + ProviderKeyRings.idleTimeout
        _ = try rings.ring(for: provider("used"), now: later - .seconds(1))
        rings.removeIdle(now: later)
        #expect(rings.count == 1)
        while factory.maintained.withLock({ $0 }) > 1 { try await Task.sleep(for: .milliseconds(5)) }
        rings.removeAll()
        while factory.maintained.withLock({ $0 }) > 0 { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test func dropsTheKeyManagersOfAChangedProvider() throws {
        _ = try rings.ring(for: provider(account: "a"))
        _ = try rings.ring(for: provider(account: "b"))
        _ = try rings.ring(for: provider("other"))
        rings.remove(ProviderRef(clusterKeyProvider: "eu"))
        #expect(rings.count == 1)
    }

    /// A reconcile may have resolved the provider before the change, and ask for its key after it.
    @Test func keepsNoKeyManagerWithThePreviousSettingsOfAChangedProvider() throws {
        let previous = provider(key: "previous")
        _ = try rings.ring(for: previous)
        changed.withLock { _ = $0.insert(previous) }
        rings.remove(previous.provider)
        #expect(try rings.ring(for: previous) == nil)
        #expect(rings.count == 0)
        #expect(factory.maintained.withLock { $0 } <= 1)
        #expect(try rings.ring(for: provider(key: "present")) != nil)
    }

    @Test func namesTheProviderWhoseSettingsAreRejected() {
        let error = #expect(throws: ProviderError.self) { try rings.ring(for: provider(key: "bad")) }
        #expect(error?.reason == .providerNotReady)
        #expect(error?.message == "ClusterKeyProvider eu cannot be used: the key is bad")
    }
}
