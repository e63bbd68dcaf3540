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
    /// Readiness reports a watch that has made no progress for this long after a failure. A watch after a failure lasts 30 s
    /// and brings at least a bookmark.
    static let stallThreshold = Duration.seconds(120)

    /// The namespace of the scope if there are several scopes.
    let namespace: String?
    let objects: WatchProgress
    let secrets: WatchProgress

    init(namespace: String? = nil, now: @escaping @Sendable () -> SuspendingClock.Instant = { .now }) {
        let wallClock: @Sendable () -> Double = { Date.now.timeIntervalSince1970 }
        self.namespace = namespace
        objects = WatchProgress(now: now, wallClock: wallClock)
        secrets = WatchProgress(now: now, wallClock: wallClock)
    }

    var watches: [(resource: Resource, progress: WatchProgress)] {
        [(WrappedSecret.resource, objects), (.secrets, secrets)]
    }

    /// Describes the stalled watches, one line for each resource. It names no namespaces, because the lines appear on a page
    /// that needs no authentication.
    static func problems(_ scopes: [WatchScopeProgress]) -> [String] {
        let stalled = scopes.flatMap { scope in
            scope.watches.compactMap {
                resource, progress -> (resource: String, stall: WatchProgress.Stall)? in
                guard let stall = progress.stall, stall.duration > stallThreshold,
                    !scope.isAccepted(stall, progress)
                else { return nil }
                return (resource.plural, stall)
            }
        }
        return [WrappedSecret.resource.plural, Resource.secrets.plural].compactMap { resource in
            let stalls = stalled.filter { $0.resource == resource }.map(\.stall)
            guard let longest = stalls.max(by: { $0.duration < $1.duration }) else { return nil }
            let place = scopes.count > 1 ? " in \(stalls.count) of \(scopes.count) namespaces" : ""
            return "watch of \(resource)\(place): no progress for \(longest.duration.components.seconds) s, "
                + "\(longest.failures) failures, the last one: \(longest.reason)"
        }
    }

    /// Returns true if the controller lost its RoleBinding in one of several namespaces: it still serves the others.
    private func isAccepted(_ stall: WatchProgress.Stall, _ progress: WatchProgress) -> Bool {
        namespace != nil && progress.lastProgress != nil && stall.reason == KubeError.Code.forbidden.rawValue
    }
}
