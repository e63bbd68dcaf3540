import Envelope
import KubeClient
import Resources
import System

/// The key managers of the providers in use. Each has its own login, batches and circuit breaker. One that is not
/// used for some time is dropped, so that an idle provider keeps no login alive. Safe to use from any thread.
final class ProviderKeyRings: Sendable {
    private struct Entry {
        let ring: KeyRing
        var lastUsed: ContinuousClock.Instant
        var maintenance: Task<Void, Never>?
    }

    /// Returns what gets the requests to the KMS of a ClusterKeyProvider, by its name.
    typealias Observer = @Sendable (String) -> any KeyManagerObserver

    /// How long an unused key manager is kept. Longer than the longest delay between two tries of a failing object.
    static let idleTimeout = Duration.seconds(600)

    private let client: KubeClient
    private let factory: any KeyManagerFactory
    private let observer: Observer
    private let isCurrent: @Sendable (ResolvedProvider) -> Bool
    private let onRecovery: @Sendable (ProviderRef) -> Void
    private let entries = Locked<[ResolvedProvider: Entry]>([:])

    /// - Parameters:
    ///   - isCurrent: Returns true if the caches still give this key and identity.
    ///   - onRecovery: Called when the KMS of a provider serves again after an outage.
    init(
        client: KubeClient, factory: any KeyManagerFactory, observer: @escaping Observer,
        isCurrent: @escaping @Sendable (ResolvedProvider) -> Bool,
        onRecovery: @escaping @Sendable (ProviderRef) -> Void
    ) {
        self.client = client
        self.factory = factory
        self.observer = observer
        self.isCurrent = isCurrent
        self.onRecovery = onRecovery
    }

    /// The number of key managers in memory.
    var count: Int { entries.withLock { $0.count } }

    /// Returns the key of a provider, or nil if the provider has changed since it was resolved: a key with its previous
    /// settings, which `remove` has dropped, must not be kept again.
    ///
    /// - Throws: `providerNotReady` if the backend rejects the settings.
    func ring(for provider: ResolvedProvider, now: ContinuousClock.Instant = .now) throws(ProviderError)
        -> KeyRing?
    {
        let known: KeyRing? = entries.withLock { entries in
            entries[provider]?.lastUsed = now
            return entries[provider]?.ring
        }
        if let known { return known }
        let manager = try keyManager(for: provider)
        return entries.withLock { entries in
            if let entry = entries[provider] { return entry.ring }
            // A change is visible in the caches before `remove` is called for it.
            guard isCurrent(provider) else { return nil }
            let ring = KeyRing(primary: manager)
            entries[provider] = Entry(ring: ring, lastUsed: now, maintenance: maintain(manager, provider))
            return ring
        }
    }

    /// Creates a key manager that is not kept, for a test.
    func keyManager(for provider: ResolvedProvider) throws(ProviderError) -> any KeyManager {
        let identity = provider.serviceAccount.map { ServiceAccountToken(client: client, account: $0) }
        do throws(KeyProviderSettingsError) {
            return try factory.keyManager(
                for: provider.settings, identity: identity, observer: observer(provider.clusterKeyProvider))
        } catch {
            throw ProviderError(
                reason: .providerNotReady, message: "\(provider.provider) cannot be used: \(error.message)")
        }
    }

    private func maintain(_ manager: any KeyManager, _ provider: ResolvedProvider) -> Task<Void, Never>? {
        guard let manager = manager as? any MaintainedKeyManager else { return nil }
        return Task { [onRecovery] in await manager.maintain { onRecovery(provider.provider) } }
    }

    /// Drops the key managers of a provider that has changed or does not exist any more. Requests in flight keep theirs.
    func remove(_ provider: ProviderRef) {
        remove { key, _ in key.provider == provider }
    }

    /// Drops the key managers that were not used for `idleTimeout`.
    func removeIdle(now: ContinuousClock.Instant = .now) {
        remove { _, entry in entry.lastUsed.duration(to: now) >= Self.idleTimeout }
    }

    func removeAll() {
        remove { _, _ in true }
    }

    private func remove(where isRemoved: (ResolvedProvider, Entry) -> Bool) {
        let tasks = entries.withLock { entries in
            let removed = entries.filter(isRemoved)
            for key in removed.keys { entries[key] = nil }
            return removed.values.compactMap(\.maintenance)
        }
        for task in tasks { task.cancel() }
    }
}
