import Concurrency
import Envelope
import KubeClient
import Logging
import Resources
import System

/// The providers of a cluster: their caches, the key managers in use, and their tests. Safe to use from any thread.
final class Providers: Sendable {
    let caches: ProviderCaches
    let rings: ProviderKeyRings
    let watches: ProviderWatches
    private let tester: ProviderTester
    private let deniedAudiences: Set<String>
    private let logger: Logger
    private let isLeading = Locked(false)

    /// - Parameters:
    ///   - deniedAudiences: The audiences of the API server.
    ///   - namespaces: The watched namespaces; empty for all.
    ///   - reporter: The name of this controller in statuses, if it watches only a part of the cluster.
    ///   - selectsByLabel: True if other controllers may watch the same namespaces, for WrappedSecrets with other labels.
    ///   - observer: Returns what gets the requests to the KMS of a ClusterKeyProvider.
    ///   - retry: Reconciles the WrappedSecrets that use a provider, or those of a namespace that use any.
    init(
        client: KubeClient, factory: any KeyManagerFactory, deniedAudiences: Set<String>,
        namespaces: Set<String> = [], reporter: String? = nil, selectsByLabel: Bool = false,
        observer: @escaping ProviderKeyRings.Observer, logger: Logger,
        retry: @escaping @Sendable (ProviderCaches.Change) -> Void
    ) {
        self.deniedAudiences = deniedAudiences
        self.logger = logger
        // The caches call back before they are assigned to this object.
        let handler = ReplaceableFunction<ProviderCaches.Change, Void> { _ in }
        let caches = ProviderCaches(namespaces: namespaces, logger: logger) { change in
            handler(change)
        }
        self.caches = caches
        let rings = ProviderKeyRings(client: client, factory: factory, observer: observer) {
            ProviderResolution(caches, deniedAudiences: deniedAudiences).isCurrent($0)
        } onRecovery: {
            retry(.provider($0, isInitial: false))
        }
        self.rings = rings
        let watches = ProviderWatches(caches, client: client, namespaces: namespaces)
        self.watches = watches
        let statuses = ProviderStatuses(
            caches, client: client, reporter: reporter, sharesNamespaces: selectsByLabel)
        let tester = ProviderTester(
            caches, rings, statuses, deniedAudiences: deniedAudiences, logger: logger)
        self.tester = tester
        // The caches keep the handler, and these keep the caches.
        handler.replace { [weak caches, weak rings, weak tester, weak watches] change in
            guard let caches, let rings, let tester, let watches else { return }
            switch change {
            case .listed: break
            case .namespace(let name):
                tester.namespaceChanged(name)
                retry(change)
            case .provider(let provider, let isInitial):
                var affected = [provider]
                if provider.isClusterScoped {
                    affected += caches.keyProviders(of: provider.object.name)
                    watches.clusterKeyProviderChanged()
                }
                for provider in affected {
                    rings.remove(provider)
                    tester.providerChanged(provider, isInitial: isInitial)
                    retry(.provider(provider, isInitial: isInitial))
                }
            }
            tester.wakeUp()
        }
    }

    // MARK: keys

    /// Returns the key and identity that a WrappedSecret gets from its provider, without a request.
    ///
    /// - Returns: Nil if it has no `keyRef`.
    func resolve(
        _ object: WrappedSecret
    ) throws(ReconcileFailure) -> Result<ResolvedProvider, ProviderError>? {
        guard let reference = object.spec.keyRef else { return nil }
        let namespace = object.metadata.namespace ?? ""
        let provider = ProviderRef(reference, namespace: namespace)
        guard caches.hasListed(provider) else {
            guard let error = caches.listError(provider) else { throw .requeueAfter(.milliseconds(500)) }
            return .failure(
                ProviderError(
                    reason: .providerNotReady,
                    message: "\(error); apply manifests/crds, and allow the controller to list and watch "
                        + "clusterkeyproviders and keyproviders (manifests/base/rbac.yaml)"))
        }
        do throws(ProviderError) {
            return .success(
                try ProviderResolution(caches, deniedAudiences: deniedAudiences).resolve(
                    provider, for: namespace,
                    usesClusterScope: object.spec.envelope.scope == Scope.cluster.rawValue))
        } catch {
            // The labels of namespaces are not listed yet.
            if error.reason == .providerNotReady, !caches.isComplete {
                throw .requeueAfter(.milliseconds(500))
            }
            return .failure(error)
        }
    }

    /// Records how an unwrap of a WrappedSecret ended, for the status of its provider.
    func recordUse(of provider: ResolvedProvider, _ result: Result<OpenedEnvelope, EnvelopeError>) {
        tester.recordUse(of: provider, result)
    }

    /// Reports a provider that was deleted while WrappedSecrets use it, directly or by KeyProviders, if this process leads.
    /// Each of their namespaces gets an event: the controller may have no rights in others.
    func reportDeletion(_ change: ProviderCaches.Change, _ informers: [Informers], _ events: EventRecorder) {
        guard isLeading.withLock({ $0 }), case .provider(let provider, _) = change,
            caches.state(of: provider) == nil
        else { return }
        let affected =
            [provider] + (provider.isClusterScoped ? caches.keyProviders(of: provider.object.name) : [])
        let users = informers.flatMap { informers in
            affected.flatMap(informers.providerUsers.users(of:)).compactMap {
                informers.objects[$0]?.metadata
            }
        }
        guard !users.isEmpty else { return }
        logger.warning(
            "key provider deleted while in use",
            metadata: ["provider": "\(provider)", "wrappedsecrets": "\(users.count)"])
        for (_, users) in Dictionary(grouping: users, by: \.ref.namespace) {
            guard let first = users.min(by: { $0.name < $1.name }) else { continue }
            events.record(.providerDeleted(provider, users: users.count, about: first))
        }
    }

    // MARK: tasks

    /// Tests providers and reports in their statuses until the task is cancelled. Runs while this process leads.
    func lead() async {
        isLeading.withLock { $0 = true }
        defer { isLeading.withLock { $0 = false } }
        await tester.run()
    }

    /// Watches the providers until the task is cancelled.
    ///
    /// - Parameter slots: Limits the concurrent lists of all watches.
    func watch(_ timing: WatcherOptions, _ slots: WatchStartSemaphore) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watches.run(timing, slots) }
            group.addTask {
                while (try? await Task.sleep(for: .seconds(60))) != nil { self.rings.removeIdle() }
                self.rings.removeAll()
            }
        }
    }
}
