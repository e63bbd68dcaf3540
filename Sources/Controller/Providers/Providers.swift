import Concurrency
import Envelope
import KubeClient
import Logging
import Resources
import System

/// The providers of a cluster: their caches, the key managers in use, and the tests that their statuses report. Safe to use
/// from any thread.
final class Providers: Sendable {
    let caches: ProviderCaches
    let rings: ProviderKeyRings
    private let client: KubeClient
    private let deniedAudiences: Set<String>
    private let logger: Logger
    private let tests = Locked(ProviderTestMachine())
    /// Providers of the first list that did not change since, whose last test therefore counts.
    private let unchanged: Locked<Set<ProviderRef>>
    /// The last use of providers that only WrappedSecrets can test.
    private let uses = Locked<[ProviderRef: ProviderTestResult]>([:])
    private let timer: WakeableTimer
    private let namespaceWatch: WakeableTimer

    /// - Parameters:
    ///   - deniedAudiences: The audiences of the API server.
    ///   - retry: Reconciles the WrappedSecrets that use a provider, or those of a namespace that use any.
    init(
        client: KubeClient, factory: any KeyManagerFactory, deniedAudiences: Set<String>, logger: Logger,
        retry: @escaping @Sendable (ProviderCaches.Change) -> Void
    ) {
        let unchanged = Locked<Set<ProviderRef>>([])
        self.unchanged = unchanged
        self.client = client
        self.deniedAudiences = deniedAudiences
        self.logger = logger
        let timer = WakeableTimer()
        let namespaceWatch = WakeableTimer()
        self.timer = timer
        self.namespaceWatch = namespaceWatch
        let rings = ProviderKeyRings(client: client, factory: factory) {
            retry(.provider($0, isInitial: false))
        }
        self.rings = rings
        let tests = self.tests
        // The caches call back before they are assigned to this object.
        let handler = Locked<(@Sendable (ProviderCaches.Change) -> Void)?>(nil)
        let caches = ProviderCaches(logger: logger) { change in handler.withLock { $0 }?(change) }
        self.caches = caches
        handler.withLock {
            $0 = { [weak caches] change in
                guard case .provider(let provider, let isInitial) = change, let caches else {
                    return retry(change)
                }
                var affected = [provider]
                if provider.isClusterScoped {
                    affected += caches.keyProviders(of: provider.object.name)
                    namespaceWatch.signal()
                }
                for provider in affected {
                    unchanged.withLock {
                        if isInitial { $0.insert(provider) } else { $0.remove(provider) }
                    }
                    rings.remove(provider)
                    tests.withLock { $0.request(provider, now: .now) }
                    retry(.provider(provider, isInitial: isInitial))
                }
                timer.signal()
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
            guard let error = caches.lastError else { throw .requeueAfter(.milliseconds(500)) }
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
            return .failure(error)
        }
    }

    /// Records how an unwrap of a WrappedSecret ended, for the status of its provider.
    func recordUse(of resolved: ResolvedProvider, _ result: Result<OpenedEnvelope, EnvelopeError>) {
        let provider = resolved.provider
        switch result {
        case .success(let opened):
            if caches.state(of: provider)?.status?.ready?.status == "True" { return }
            uses.withLock { $0[provider] = .passed(keyID: opened.keyID, limit: nil) }
        case .failure(.keyManager(let error)):
            if error.code == .invalidCiphertext || error.code == .cancelled { return }
            uses.withLock { $0[provider] = .failed(error) }
        case .failure: return
        }
        unchanged.withLock { _ = $0.remove(provider) }
        tests.withLock { $0.suspect(provider, now: .now) }
        timer.signal()
    }

    /// Reports a provider that was deleted while WrappedSecrets refer to it.
    func reportDeletion(
        _ change: ProviderCaches.Change, users: [ProviderUserIndex], _ events: EventRecorder
    ) {
        guard case .provider(let provider, _) = change, caches.state(of: provider) == nil else { return }
        let count = users.reduce(0) { $0 + $1.users(of: provider).count }
        guard count > 0 else { return }
        logger.warning(
            "key provider deleted while in use",
            metadata: ["provider": "\(provider)", "wrappedsecrets": "\(count)"])
        events.record(.providerDeleted(provider, users: count))
    }

    // MARK: tasks

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
            } else if !isNeeded {
                watch?.cancel()
                watch = nil
            }
            return nil
        }
        watch?.cancel()
    }

    /// Tests the keys of providers and reports the results in their statuses, until the task is cancelled.
    func runTests() async {
        await withDiscardingTaskGroup { group in
            await timer.run {
                for provider in tests.withLock({ $0.takeDue(now: .now) }) {
                    group.addTask { await self.test(provider) }
                }
                return tests.withLock { $0.nextDue }
            }
            group.cancelAll()
        }
    }

    private func test(_ provider: ProviderRef) async {
        guard let (metadata, previous) = caches.state(of: provider) else {
            return finish(provider, isFinal: true)
        }
        let result = await evaluate(provider, metadata, previous)
        let isFinal = await report(result, of: provider, metadata, previous)
        finish(provider, isFinal: isFinal)
    }

    private func finish(_ provider: ProviderRef, isFinal: Bool) {
        tests.withLock {
            $0.finished(provider, isFinal: isFinal, now: .now, random: .random(in: 0..<1))
        }
        timer.signal()
    }

    private func evaluate(
        _ provider: ProviderRef, _ metadata: ObjectMeta, _ previous: KeyProviderStatus?
    ) async -> ProviderTestResult {
        do throws(ProviderError) {
            let resolution = ProviderResolution(caches, deniedAudiences: deniedAudiences)
            let resolved = try resolution.resolveForTest(provider)
            let manager = try rings.keyManager(for: resolved)
            if resolved.serviceAccount?.ref.namespace.isEmpty == true {
                return uses.withLock { $0.removeValue(forKey: provider) } ?? .notTested
            }
            // A restart of the controller does not test again what has passed.
            if previous?.observedGeneration == metadata.generation, previous?.ready?.status == "True",
                unchanged.withLock({ $0.contains(provider) })
            {
                return .unchanged
            }
            let result = await manager.diagnose()
            return ProviderTestResult(result, keyID: manager.keyID)
        } catch {
            return .invalid(error)
        }
    }

    /// - Returns: True if the status needs no other attempt until something changes.
    private func report(
        _ result: ProviderTestResult, of provider: ProviderRef, _ metadata: ObjectMeta,
        _ previous: KeyProviderStatus?
    ) async -> Bool {
        guard
            let status = result.status(
                after: previous, generation: metadata.generation, now: Timestamp.now.rfc3339),
            status != previous
        else { return result.isFinal }
        logger.log(
            level: status.ready?.status == "False" ? .warning : .info, "key provider tested",
            metadata: [
                "provider": "\(provider)", "reason": "\(status.ready?.reason ?? "")",
                "message": "\(status.ready?.message ?? "")",
            ])
        do {
            let encoded = try status.encoded()
            let resource =
                provider.isClusterScoped ? ClusterKeyProvider.resource : KeyProvider.resource
            let patch = JSONPatch { patch in
                patch.test("/metadata/uid", metadata.uid ?? "")
                patch.operation("add", "/status") { $0.encoded(encoded) }
            }
            _ = try await client.patch(resource, provider.object, subresource: "status", .json(patch))
            return result.isFinal
        } catch {
            // Deleted, or created again meanwhile: the watch shows that.
            return (error as? KubeError)?.code == .notFound
        }
    }
}
