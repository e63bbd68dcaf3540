import KubeClient
import Resources

/// What one controller looks after in one namespace, or in all of them: caches of their own, because a list is
/// complete, and a version known, for what it lists alone.
struct WatchScope: Sendable {
    let selection: Selection
    let informers: Informers
    let reconciler: Reconciler
    /// How the watches of Secrets and of WrappedSecrets get on.
    let progress: WatchScopeProgress

    /// Lists and watches until it is cancelled.
    ///
    /// The label selector is one of WrappedSecrets. Secrets do not carry their labels, which may change besides: of
    /// Secrets all that are ours are watched, those that other instances look after among them. These belong to no
    /// WrappedSecret that is known here, and are left alone.
    ///
    /// - Parameter slots: shared by all shards.
    func watch(_ client: KubeClient, _ timing: WatcherOptions, _ slots: WatchStartSemaphore) async {
        let managed = Selection(
            namespace: selection.namespace, labelSelector: "\(OwnershipMetadata.managedLabel)=true")
        // Of metadata, which is small, a page may hold more.
        var secretTiming = timing
        secretTiming.pageSize *= 2
        let secrets = Watcher<SecretMetadata>(
            client, managed, timing: secretTiming, progress: progress.secrets, slots: slots)
        let objects = Watcher<WrappedSecret>(
            client, selection, timing: timing, progress: progress.objects, slots: slots)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await secrets.run { informers.handle($0) } }
            group.addTask { await objects.run { informers.handle($0) } }
        }
    }
}

/// Finds the shard of an object.
struct WatchScopeRouter: Sendable {
    private let named: [String: WatchScope]
    private let everywhere: WatchScope?

    init(_ shards: [WatchScope]) {
        named = Dictionary(
            shards.compactMap { shard in shard.selection.namespace.map { ($0, shard) } },
            uniquingKeysWith: { first, _ in first })
        everywhere = shards.first { $0.selection.namespace == nil }
    }

    func reconcile(_ ref: ObjectRef, _ metrics: ReconcileMetrics) async -> WorkQueue.Outcome {
        guard let shard = named[ref.namespace] ?? everywhere else { return .done }
        return await metrics.observe(ref, shard.reconciler)
    }
}
