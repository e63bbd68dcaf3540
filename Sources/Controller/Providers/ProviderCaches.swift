import KubeClient
import Logging
import Resources
import System

/// The caches of ClusterKeyProviders, KeyProviders and the labels of namespaces, fed by their watches. Safe to use from any
/// thread.
final class ProviderCaches: ProviderCatalog {
    /// A difference that matters to the WrappedSecrets that use providers.
    enum Change: Sendable {
        /// - Parameter isInitial: True for a provider of the first list.
        case provider(ProviderRef, isInitial: Bool)
        /// The labels of a namespace.
        case namespace(String)
        /// A list is complete: what waited for it can be decided.
        case listed
    }

    private let clusterKeyProviders = Store<Decoded<ClusterKeyProvider>> { $0.metadata.resourceVersion }
    private let keyProviders = Store<Decoded<KeyProvider>> { $0.metadata.resourceVersion }
    private let namespaces = Store<ObjectMeta> { $0.resourceVersion }
    private let onChange: @Sendable (Change) -> Void
    private let logger: Logger
    private let outages = WatchOutages()
    private let lastErrors = Locked<[String: KubeError]>([:])

    /// - Parameter onChange: Called after each change that a reader can see.
    init(logger: Logger, onChange: @escaping @Sendable (Change) -> Void) {
        self.logger = logger
        self.onChange = onChange
    }

    // MARK: reads

    func clusterKeyProvider(_ name: String) -> Decoded<ClusterKeyProvider>? {
        clusterKeyProviders[ObjectRef(namespace: "", name: name)]
    }

    func keyProvider(_ ref: ObjectRef) -> Decoded<KeyProvider>? { keyProviders[ref] }

    func labels(ofNamespace name: String) -> [String: String]? {
        guard namespaces.hasSynced else { return nil }
        return namespaces[ObjectRef(namespace: "", name: name)]?.labels ?? [:]
    }

    /// True once both kinds of providers have been listed.
    var hasSynced: Bool { clusterKeyProviders.hasSynced && keyProviders.hasSynced }

    /// True once everything that decides about a provider is known: the labels of namespaces too, if a provider selects by
    /// them and they can be listed.
    var isComplete: Bool {
        hasSynced
            && (!usesNamespaceLabels || namespaces.hasSynced || listError(NamespaceMetadata.resource) != nil)
    }

    /// The error for which providers cannot be listed, if only a user can resolve it: no definition, or no permission.
    var listError: KubeError? {
        listError(ClusterKeyProvider.resource) ?? listError(KeyProvider.resource)
    }

    private func listError(_ resource: Resource) -> KubeError? {
        lastErrors.withLock { $0[resource.plural] }.flatMap {
            $0.code == .notFound || $0.code == .forbidden ? $0 : nil
        }
    }

    /// Forgets the labels of namespaces after their watch has ended: later ones could differ.
    func forgetNamespaces() {
        namespaces.reset()
    }

    var providers: [ProviderRef] {
        clusterKeyProviders.refs.map { ProviderRef(clusterKeyProvider: $0.name) }
            + keyProviders.refs.map { ProviderRef(keyProvider: $0) }
    }

    /// True if a ClusterKeyProvider selects namespaces by label.
    var usesNamespaceLabels: Bool {
        var isUsed = false
        clusterKeyProviders.forEach { item in
            if case .object(let provider) = item, provider.spec.namespaces?.matchLabels?.isEmpty == false {
                isUsed = true
            }
        }
        return isUsed
    }

    /// The metadata and status of a provider.
    func state(of provider: ProviderRef) -> (metadata: ObjectMeta, status: KeyProviderStatus?)? {
        if provider.isClusterScoped {
            return clusterKeyProvider(provider.object.name).map { ($0.metadata, $0.status) }
        }
        return keyProvider(provider.object).map { ($0.metadata, $0.status) }
    }

    /// The name of the ClusterKeyProvider that a provider is or refers to, or nothing if that is not known.
    func clusterKeyProvider(of provider: ProviderRef) -> String {
        if provider.isClusterScoped { return provider.object.name }
        guard case .object(let object) = keyProvider(provider.object) else { return "" }
        return object.spec.clusterKeyProvider
    }

    /// The KeyProviders of a namespace.
    func keyProviders(inNamespace namespace: String) -> [ProviderRef] {
        keyProviders.refs.filter { $0.namespace == namespace }.map { ProviderRef(keyProvider: $0) }
    }

    /// The KeyProviders that refer to a ClusterKeyProvider.
    func keyProviders(of clusterKeyProvider: String) -> [ProviderRef] {
        var refs: [ProviderRef] = []
        keyProviders.forEach { item in
            if case .object(let provider) = item, provider.spec.clusterKeyProvider == clusterKeyProvider {
                refs.append(ProviderRef(keyProvider: provider.metadata.ref))
            }
        }
        return refs
    }

    // MARK: events

    func handle(_ event: WatcherEvent<ClusterKeyProvider>) {
        apply(event, to: clusterKeyProviders) { ProviderRef(clusterKeyProvider: $0.name) }
    }

    func handle(_ event: WatcherEvent<KeyProvider>) {
        apply(event, to: keyProviders) { ProviderRef(keyProvider: $0) }
    }

    func handle(_ event: WatcherEvent<NamespaceMetadata>) {
        switch event {
        case .initStarted: namespaces.beginList()
        case .applied(let item):
            var metadata = item.metadata.reduced()
            metadata.labels = item.metadata.labels
            if case .visible(let before) = namespaces.apply(metadata.ref, metadata),
                before?.labels != metadata.labels
            {
                onChange(.namespace(metadata.name))
            }
        case .deleted(let metadata): _ = namespaces.remove(metadata.ref)
        case .initDone:
            let isInitial = !namespaces.hasSynced
            let difference = namespaces.commitList()
            recover(NamespaceMetadata.resource)
            // Until the first list, nothing was decided by labels.
            for (ref, before) in difference.changed
            where !isInitial && before?.labels != namespaces[ref]?.labels {
                onChange(.namespace(ref.name))
            }
            onChange(.listed)
        case .resumed: recover(NamespaceMetadata.resource)
        case .interrupted(let error): report(error, NamespaceMetadata.resource)
        case .unreadable: break
        }
    }

    private func apply<Object: KeyProviderObject>(
        _ event: WatcherEvent<Object>, to store: Store<Decoded<Object>>,
        _ provider: (ObjectRef) -> ProviderRef
    ) {
        switch event {
        case .initStarted: store.beginList()
        case .applied(let item):
            let item = item.reduced()
            guard case .visible(let before) = store.apply(item.metadata.ref, item) else { return }
            // The status is mostly our own.
            let isNew = before?.metadata.uid != item.metadata.uid
            if isNew || before?.metadata.generation != item.metadata.generation {
                onChange(.provider(provider(item.metadata.ref), isInitial: false))
            }
        case .deleted(let metadata):
            _ = store.remove(metadata.ref)
            onChange(.provider(provider(metadata.ref), isInitial: false))
        case .initDone:
            let isInitial = !store.hasSynced
            let difference = store.commitList()
            recover(Object.resource)
            // The status is mostly our own.
            let changed = difference.changed.filter { ref, before in
                let (old, new) = (before?.metadata, store[ref]?.metadata)
                return old?.uid != new?.uid || old?.generation != new?.generation
            }
            for ref in Array(changed.keys) + Array(difference.removed.keys) {
                onChange(.provider(provider(ref), isInitial: isInitial))
            }
            onChange(.listed)
        case .resumed: recover(Object.resource)
        case .interrupted(let error): report(error, Object.resource)
        case .unreadable: break
        }
    }

    private func recover(_ resource: Resource) {
        lastErrors.withLock { $0[resource.plural] = nil }
        guard let codes = outages.end(.init(resource: resource.plural, namespace: nil)) else { return }
        logger.info("watch recovered", metadata: ["resource": "\(resource.plural)", "after": "\(codes)"])
    }

    private func report(_ error: KubeError, _ resource: Resource) {
        guard error.code != .expired else { return }
        lastErrors.withLock { $0[resource.plural] = error }
        defer { onChange(.listed) }
        // Without the CRDs, or the right to list them, there are no providers, which is no fault until a WrappedSecret
        // refers to one. Later, what the caches hold becomes stale.
        let isKnown =
            switch resource {
            case ClusterKeyProvider.resource: clusterKeyProviders.hasSynced
            case KeyProvider.resource: keyProviders.hasSynced
            default: true
            }
        let isNews =
            (isKnown || error.code != .notFound && error.code != .forbidden)
            && outages.shouldLog(error.code, .init(resource: resource.plural, namespace: nil))
        logger.log(
            level: isNews ? .warning : .debug, "watch interrupted",
            metadata: ["resource": "\(resource.plural)", "error": "\(error)"])
    }
}

extension Decoded where Object: KeyProviderObject {
    /// Returns the provider without metadata that is never read: tenants write it, and it can be large.
    fileprivate func reduced() -> Decoded {
        switch self {
        case .object(var object):
            object.metadata = object.metadata.reduced()
            return .object(object)
        case .malformed(let metadata, let status, let problem):
            return .malformed(
                metadata.reduced(), status: status, problem: problem.truncated(toUTF8: 1024))
        }
    }
}

extension ObjectMeta {
    fileprivate func reduced() -> ObjectMeta {
        var part = ObjectMeta(name: name, namespace: namespace, uid: uid, resourceVersion: resourceVersion)
        part.generation = generation
        part.deletionTimestamp = deletionTimestamp
        return part
    }
}
