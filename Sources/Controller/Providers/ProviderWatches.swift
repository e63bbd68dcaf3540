import Concurrency
import KubeClient
import Resources
import System

/// The watches that feed the caches of providers: of ClusterKeyProviders, of the KeyProviders of each watched namespace, and of
/// namespaces while a provider selects them by label. Safe to use from any thread.
final class ProviderWatches: Sendable {
    private let caches: ProviderCaches
    private let client: KubeClient
    private let clusterKeyProviders: WatchScopeProgress.Watch
    private let keyProviders: [WatchScopeProgress.Watch]
    /// Nil while no provider selects namespaces by label.
    private let namespaces = Locked<WatchScopeProgress.Watch?>(nil)
    private let labelUse = WakeableTimer()
    private let now: @Sendable () -> SuspendingClock.Instant

    /// - Parameter namespaces: The watched namespaces; empty for all.
    init(
        _ caches: ProviderCaches, client: KubeClient, namespaces: Set<String>,
        now: @escaping @Sendable () -> SuspendingClock.Instant = { .now }
    ) {
        self.caches = caches
        self.client = client
        self.now = now
        clusterKeyProviders = .init(ClusterKeyProvider.resource, now: now)
        keyProviders =
            namespaces.isEmpty
            ? [.init(KeyProvider.resource, now: now)]
            : namespaces.sorted().map { .init(KeyProvider.resource, namespace: $0, now: now) }
    }

    /// The watches whose objects have been listed. Without the CRDs, or the right to list them, there are none, and only the
    /// WrappedSecrets that refer to a provider report that.
    var listed: [WatchScopeProgress.Watch] {
        ([clusterKeyProviders] + keyProviders + (namespaces.withLock { $0 }.map { [$0] } ?? []))
            .filter { $0.progress.lastProgress != nil }
    }

    /// Describes the stalled watches, one line for each kind of object.
    var problems: [String] { WatchScopeProgress.problems(listed) }

    /// A ClusterKeyProvider has changed, which may select namespaces by label now, or not any more.
    func clusterKeyProviderChanged() {
        labelUse.signal()
    }

    /// Watches until the task is cancelled.
    ///
    /// - Parameter slots: Limits the concurrent lists of all watches.
    func run(_ timing: WatcherOptions, _ slots: WatchStartSemaphore) async {
        await withDiscardingTaskGroup { [caches, client] group in
            let cluster = Watcher<ClusterKeyProvider>(
                client, Selection(), options: timing, progress: clusterKeyProviders.progress, semaphore: slots
            )
            group.addTask { await cluster.run { caches.handle($0) } }
            for watch in keyProviders {
                let watcher = Watcher<KeyProvider>(
                    client, Selection(namespace: watch.namespace), options: timing, progress: watch.progress,
                    semaphore: slots)
                let namespace = watch.namespace ?? ProviderCaches.allNamespaces
                group.addTask { await watcher.run { caches.handle($0, namespace: namespace) } }
            }
            group.addTask { await self.watchNamespaces(timing, slots) }
        }
    }

    private func watchNamespaces(_ timing: WatcherOptions, _ slots: WatchStartSemaphore) async {
        var task: Task<Void, Never>?
        await labelUse.run { [caches, client] in
            let isNeeded = caches.usesNamespaceLabels
            if isNeeded, task == nil {
                let watch = WatchScopeProgress.Watch(NamespaceMetadata.resource, now: now)
                namespaces.withLock { $0 = watch }
                task = Task {
                    await Watcher<NamespaceMetadata>(
                        client, Selection(), options: timing, progress: watch.progress, semaphore: slots
                    ).run { caches.handle($0) }
                }
            } else if !isNeeded, let old = task {
                // One watcher writes a cache; a later one starts from nothing.
                old.cancel()
                await old.value
                task = nil
                namespaces.withLock { $0 = nil }
                caches.forgetNamespaces()
            }
            return nil
        }
        task?.cancel()
        await task?.value
    }
}
