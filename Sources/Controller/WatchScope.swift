import FoundationEssentials
import KubeClient
import Resources
import System

/// The watches, caches and reconciler for one namespace, or for all. Each scope has its own caches, because a list is complete
/// only for what it selects.
struct WatchScope: Sendable {
    let selection: Selection
    let informers: Informers
    let reconciler: Reconciler
    let progress: WatchScopeProgress

    /// Lists and watches until the task is cancelled.
    ///
    /// The label selector applies only to WrappedSecrets: their Secrets have other labels. The watch of Secrets selects all
    /// that a controller manages, also those of other controllers, which belong to no WrappedSecret of this scope and are
    /// ignored.
    ///
    /// - Parameter slots: limits the concurrent lists of all scopes.
    func watch(_ client: KubeClient, _ timing: WatcherOptions, _ slots: WatchStartSemaphore) async {
        let managed = Selection(
            namespace: selection.namespace, labelSelector: "\(OwnershipMetadata.managedLabel)=true")
        // A page of metadata can have more items, because they are small.
        var secretTiming = timing
        secretTiming.pageSize *= 2
        let secrets = Watcher<SecretMetadata>(
            client, managed, options: secretTiming, progress: progress.secrets, semaphore: slots)
        let objects = Watcher<WrappedSecret>(
            client, selection, options: timing, progress: progress.objects, semaphore: slots)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await secrets.run { informers.handle($0) } }
            group.addTask { await objects.run { informers.handle($0) } }
        }
    }
}

/// Finds the watch scope of an object.
struct WatchScopeRouter: Sendable {
    private let byNamespace: [String: WatchScope]
    private let allNamespaces: WatchScope?

    init(_ scopes: [WatchScope]) {
        byNamespace = Dictionary(
            scopes.compactMap { scope in scope.selection.namespace.map { ($0, scope) } },
            uniquingKeysWith: { first, _ in first })
        allNamespaces = scopes.first { $0.selection.namespace == nil }
    }

    func reconcile(_ ref: ObjectRef, _ metrics: ReconcileMetrics) async -> WorkQueue.Outcome {
        guard let scope = byNamespace[ref.namespace] ?? allNamespaces else { return .done }
        return await metrics.observe(ref, scope.reconciler)
    }
}

/// The progress of the two watches of a scope.
struct WatchScopeProgress: Sendable {
    /// One watch.
    struct Watch: Sendable {
        let resource: Resource
        /// The namespace if there are several scopes.
        let namespace: String?
        let progress: WatchProgress

        init(
            _ resource: Resource, namespace: String? = nil,
            now: @escaping @Sendable () -> SuspendingClock.Instant = { .now }
        ) {
            self.resource = resource
            self.namespace = namespace
            progress = WatchProgress(now: now, wallClock: { Date.now.timeIntervalSince1970 })
        }

        /// The stall that readiness reports, or nil if there is none.
        fileprivate var problem: WatchProgress.Stall? {
            guard let stall = progress.stall, stall.duration > stallThreshold, !isAccepted(stall) else {
                return nil
            }
            return stall
        }

        /// Returns true if the controller lost its RoleBinding in one of several namespaces: it still serves the others.
        private func isAccepted(_ stall: WatchProgress.Stall) -> Bool {
            namespace != nil && progress.lastProgress != nil
                && stall.reason == KubeError.Code.forbidden.rawValue
        }
    }

    /// Readiness reports a watch that has made no progress for this long after a failure. A watch after a failure lasts 30 s
    /// and brings at least a bookmark.
    static let stallThreshold = Duration.seconds(120)

    let watches: [Watch]
    let objects: WatchProgress
    let secrets: WatchProgress

    /// - Parameter namespace: The namespace of the scope if there are several scopes.
    init(namespace: String? = nil, now: @escaping @Sendable () -> SuspendingClock.Instant = { .now }) {
        let objects = Watch(WrappedSecret.resource, namespace: namespace, now: now)
        let secrets = Watch(.secrets, namespace: namespace, now: now)
        watches = [objects, secrets]
        (self.objects, self.secrets) = (objects.progress, secrets.progress)
    }

    /// Describes the stalled watches, one line for each kind of object. It names no namespaces, because the lines appear on a
    /// page that needs no authentication.
    static func problems(_ watches: [Watch]) -> [String] {
        var resources: [Resource] = []
        for watch in watches where !resources.contains(watch.resource) { resources.append(watch.resource) }
        return resources.compactMap { resource in
            let watches = watches.filter { $0.resource == resource }
            let stalls = watches.compactMap(\.problem)
            guard let longest = stalls.max(by: { $0.duration < $1.duration }) else { return nil }
            let place = watches.count > 1 ? " in \(stalls.count) of \(watches.count) namespaces" : ""
            return
                "watch of \(resource.plural)\(place): no progress for \(longest.duration.components.seconds) s, "
                + "\(longest.failures) failures, the last one: \(longest.reason)"
        }
    }
}
