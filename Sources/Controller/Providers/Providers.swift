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
    private let tester: ProviderTester
    private let client: KubeClient
    private let deniedAudiences: Set<String>
    private let logger: Logger
    private let namespaceWatch: WakeableTimer
    private let isLeading = Locked(false)

    /// - Parameters:
    ///   - deniedAudiences: The audiences of the API server.
    ///   - namespaces: The watched namespaces; empty for all.
    ///   - observer: Returns what gets the requests to the KMS of a ClusterKeyProvider.
    ///   - retry: Reconciles the WrappedSecrets that use a provider, or those of a namespace that use any.
    init(
        client: KubeClient, factory: any KeyManagerFactory, deniedAudiences: Set<String>,
        namespaces: Set<String> = [], observer: @escaping ProviderKeyRings.Observer, logger: Logger,
        retry: @escaping @Sendable (ProviderCaches.Change) -> Void
    ) {
        self.client = client
        self.deniedAudiences = deniedAudiences
        self.logger = logger
        let namespaceWatch = WakeableTimer()
        self.namespaceWatch = namespaceWatch
        let rings = ProviderKeyRings(client: client, factory: factory, observer: observer) {
            retry(.provider($0, isInitial: false))
        }
        self.rings = rings
        // The caches call back before they are assigned to this object.
        let handler = Locked<(@Sendable (ProviderCaches.Change) -> Void)?>(nil)
        let caches = ProviderCaches(logger: logger) { change in handler.withLock { $0 }?(change) }
        self.caches = caches
        let tester = ProviderTester(
            caches, rings, client: client, deniedAudiences: deniedAudiences, namespaces: namespaces,
            logger: logger)
        self.tester = tester
        handler.withLock {
            $0 = { [weak caches] change in
                guard let caches else { return }
                switch change {
                case .listed: break
                case .namespace(let name):
                    tester.namespaceChanged(name)
                    retry(change)
                case .provider(let provider, let isInitial):
                    var affected = [provider]
                    if provider.isClusterScoped {
                        affected += caches.keyProviders(of: provider.object.name)
                        namespaceWatch.signal()
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
    }

    // MARK: keys

    /// Returns the key and identity that a WrappedSecret gets from its provider, without a request.
    ///
    /// - Returns: Nil if it has no `keyRef`.
    func resolve(
        _ object: WrappedSecret
    ) throws(ReconcileFailure) -> Result<ResolvedProvider, ProviderError>? {
        guard let reference = object.spec.keyRef else { return nil }
        guard caches.hasSynced else {
            guard let error = caches.listError else { throw .requeueAfter(.milliseconds(500)) }
            return .failure(
                ProviderError(
                    reason: .providerNotReady,
                    message: "\(error); apply manifests/crds, and allow the controller to list and watch "
                        + "clusterkeyproviders and keyproviders (manifests/base/rbac.yaml)"))
        }
        let namespace = object.metadata.namespace ?? ""
        let provider = ProviderRef(reference, namespace: namespace)
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

    /// Reports a provider that was deleted while WrappedSecrets refer to it, if this process leads.
    func reportDeletion(
        _ change: ProviderCaches.Change, users: [ProviderUserIndex], _ events: EventRecorder
    ) {
        guard isLeading.withLock({ $0 }), case .provider(let provider, _) = change,
            caches.state(of: provider) == nil
        else { return }
        let count = users.reduce(0) { $0 + $1.users(of: provider).count }
        guard count > 0 else { return }
        logger.warning(
            "key provider deleted while in use",
            metadata: ["provider": "\(provider)", "wrappedsecrets": "\(count)"])
        events.record(.providerDeleted(provider, users: count))
    }

    // MARK: tasks

    /// Tests providers and reports in their statuses until the task is cancelled. Runs while this process leads.
    func lead() async {
        isLeading.withLock { $0 = true }
        defer { isLeading.withLock { $0 = false } }
        await tester.run()
    }

    /// Watches the providers until the task is cancelled, and the namespaces while a provider selects them by label.
    func watch(_ timing: WatcherOptions) async {
        await withDiscardingTaskGroup { [caches, client] group in
            let cluster = Watcher<ClusterKeyProvider>(client, Selection(), options: timing)
            group.addTask { await cluster.run { caches.handle($0) } }
            let local = Watcher<KeyProvider>(client, Selection(), options: timing)
            group.addTask { await local.run { caches.handle($0) } }
            group.addTask { await self.watchNamespaces(timing) }
            group.addTask {
                while (try? await Task.sleep(for: .seconds(60))) != nil { self.rings.removeIdle() }
                self.rings.removeAll()
            }
        }
    }

    private func watchNamespaces(_ timing: WatcherOptions) async {
        var watch: Task<Void, Never>?
        await namespaceWatch.run { [caches, client] in
            let isNeeded = caches.usesNamespaceLabels
            if isNeeded, watch == nil {
                watch = Task {
                    await Watcher<NamespaceMetadata>(client, Selection(), options: timing).run {
                        caches.handle($0)
                    }
                }
            } else if !isNeeded, let old = watch {
                // One watcher writes a cache; a later one starts from nothing.
                old.cancel()
                await old.value
                watch = nil
                caches.forgetNamespaces()
            }
            return nil
        }
        watch?.cancel()
        await watch?.value
    }
}
