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

    let clusterKeyProviders = Store<Decoded<ClusterKeyProvider>> { $0.metadata.resourceVersion }
    /// By watched namespace, because a list is complete only for what it selects; `allNamespaces` is the key of the only one
    /// without a restriction.
    let keyProviders: [String: Store<Decoded<KeyProvider>>]
    private let namespaces = Store<ObjectMeta> { $0.resourceVersion }
    let counts = ProviderCounts()
    private let onChange: @Sendable (Change) -> Void
    private let logger: Logger
    private let outages = WatchOutages()
    private let lastErrors = Locked<[WatchOutages.Watch: KubeError]>([:])

    static let allNamespaces = ""

    /// - Parameters:
    ///   - namespaces: The watched namespaces; empty for all.
    ///   - onChange: Called after each change that a reader can see.
    init(
        namespaces: Set<String> = [], logger: Logger, onChange: @escaping @Sendable (Change) -> Void
    ) {
        keyProviders = Dictionary(
            uniqueKeysWithValues: (namespaces.isEmpty ? [Self.allNamespaces] : namespaces).map {
                ($0, Store { $0.metadata.resourceVersion })
            })
        self.logger = logger
        self.onChange = onChange
    }

    // MARK: reads

    func clusterKeyProvider(_ name: String) -> Decoded<ClusterKeyProvider>? {
        clusterKeyProviders[ObjectRef(namespace: "", name: name)]
    }

    func keyProvider(_ ref: ObjectRef) -> Decoded<KeyProvider>? { store(ofNamespace: ref.namespace)?[ref] }

    private func store(ofNamespace name: String) -> Store<Decoded<KeyProvider>>? {
        keyProviders[name] ?? keyProviders[Self.allNamespaces]
    }

    func labels(ofNamespace name: String) -> [String: String]? {
        guard namespaces.hasSynced else { return nil }
        return namespaces[ObjectRef(namespace: "", name: name)]?.labels ?? [:]
    }

    /// Returns true once the ClusterKeyProviders are listed and, for a KeyProvider, those of its namespace.
    func hasListed(_ provider: ProviderRef) -> Bool {
        clusterKeyProviders.hasSynced
            && (provider.isClusterScoped
                || store(ofNamespace: provider.object.namespace)?.hasSynced == true)
    }

    /// True once everything that decides about a known provider is known: the labels of namespaces too, if a provider selects
    /// by them and they can be listed.
    var isComplete: Bool {
        clusterKeyProviders.hasSynced
            && (!usesNamespaceLabels || namespaces.hasSynced
                || listError(NamespaceMetadata.resource, Self.allNamespaces) != nil)
    }

    /// Returns the error for which a provider cannot be listed, if only a user can resolve it: no definition, or no permission.
    func listError(_ provider: ProviderRef) -> KubeError? {
        if let error = listError(ClusterKeyProvider.resource, Self.allNamespaces) { return error }
        guard !provider.isClusterScoped else { return nil }
        let namespace = provider.object.namespace
        return listError(
            KeyProvider.resource, keyProviders[namespace] == nil ? Self.allNamespaces : namespace)
    }

    private func listError(_ resource: Resource, _ namespace: String) -> KubeError? {
        lastErrors.withLock { $0[Self.watch(resource, namespace)] }.flatMap {
            $0.code == .notFound || $0.code == .forbidden ? $0 : nil
        }
    }

    /// Forgets the labels of namespaces after their watch has ended: later ones could differ.
    func forgetNamespaces() {
        namespaces.reset()
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

    /// The name of the ClusterKeyProvider that a provider is or refers to, or nothing if that is not known or does not exist:
    /// a tenant can write any number of names.
    func clusterKeyProvider(of provider: ProviderRef) -> String {
        let name: String
        if provider.isClusterScoped {
            name = provider.object.name
        } else {
            guard case .object(let object) = keyProvider(provider.object) else { return "" }
            name = object.spec.clusterKeyProvider
        }
        return clusterKeyProvider(name) == nil ? "" : name
    }

    /// The KeyProviders of a namespace.
    func keyProviders(inNamespace namespace: String) -> [ProviderRef] {
        let refs = store(ofNamespace: namespace)?.refs ?? []
        return refs.filter { $0.namespace == namespace }.map { ProviderRef(keyProvider: $0) }
    }

    /// The KeyProviders that refer to a ClusterKeyProvider.
    func keyProviders(of clusterKeyProvider: String) -> [ProviderRef] {
        var refs: [ProviderRef] = []
        for store in keyProviders.values {
            store.forEach { item in
                if case .object(let provider) = item, provider.spec.clusterKeyProvider == clusterKeyProvider {
                    refs.append(ProviderRef(keyProvider: provider.metadata.ref))
                }
            }
        }
        return refs
    }

    // MARK: events

    func handle(_ event: WatcherEvent<ClusterKeyProvider>) {
        apply(event, to: clusterKeyProviders, Self.allNamespaces) { ProviderRef(clusterKeyProvider: $0.name) }
    }

    /// - Parameter namespace: The namespace that the watch selects.
    func handle(_ event: WatcherEvent<KeyProvider>, namespace: String = ProviderCaches.allNamespaces) {
        guard let store = keyProviders[namespace] else { return }
        apply(event, to: store, namespace) { ProviderRef(keyProvider: $0) }
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
            recover(NamespaceMetadata.resource, Self.allNamespaces)
            // Until the first list, nothing was decided by labels.
            for (ref, before) in difference.changed
            where !isInitial && before?.labels != namespaces[ref]?.labels {
                onChange(.namespace(ref.name))
            }
            onChange(.listed)
        case .resumed: recover(NamespaceMetadata.resource, Self.allNamespaces)
        case .interrupted(let error):
            report(error, NamespaceMetadata.resource, Self.allNamespaces, isKnown: true)
        case .unreadable: break
        }
    }

    private func apply<Object: KeyProviderObject>(
        _ event: WatcherEvent<Object>, to store: Store<Decoded<Object>>, _ namespace: String,
        _ provider: (ObjectRef) -> ProviderRef
    ) {
        switch event {
        case .initStarted: store.beginList()
        case .applied(let item):
            let item = item.reduced()
            guard case .visible(let before) = store.apply(item.metadata.ref, item) else { return }
            counts.update(before, item)
            // The status is mostly our own.
            let isNew = before?.metadata.uid != item.metadata.uid
            if isNew || before?.metadata.generation != item.metadata.generation {
                onChange(.provider(provider(item.metadata.ref), isInitial: false))
            }
        case .deleted(let metadata):
            counts.update(store.remove(metadata.ref).visible, nil)
            onChange(.provider(provider(metadata.ref), isInitial: false))
        case .initDone:
            let isInitial = !store.hasSynced
            let before = store.values
            let difference = store.commitList()
            counts.replaceAll(before, by: store.values)
            recover(Object.resource, namespace)
            // The status is mostly our own.
            let changed = difference.changed.filter { ref, before in
                let (old, new) = (before?.metadata, store[ref]?.metadata)
                return old?.uid != new?.uid || old?.generation != new?.generation
            }
            for ref in Array(changed.keys) + Array(difference.removed.keys) {
                onChange(.provider(provider(ref), isInitial: isInitial))
            }
            onChange(.listed)
        case .resumed: recover(Object.resource, namespace)
        case .interrupted(let error): report(error, Object.resource, namespace, isKnown: store.hasSynced)
        case .unreadable: break
        }
    }

    private static func watch(_ resource: Resource, _ namespace: String) -> WatchOutages.Watch {
        WatchOutages.Watch(
            resource: resource.plural, namespace: namespace == allNamespaces ? nil : namespace)
    }

    private func recover(_ resource: Resource, _ namespace: String) {
        let watch = Self.watch(resource, namespace)
        lastErrors.withLock { $0[watch] = nil }
        guard let codes = outages.end(watch) else { return }
        var metadata: Logger.Metadata = ["resource": "\(resource.plural)", "after": "\(codes)"]
        metadata["namespace"] = watch.namespace.map { "\($0)" }
        logger.info("watch recovered", metadata: metadata)
    }

    /// - Parameter isKnown: True if the objects were listed before: what the cache holds becomes stale. Without the CRDs, or
    ///   the right to list them, there are no providers, which is no fault until a WrappedSecret refers to one.
    private func report(_ error: KubeError, _ resource: Resource, _ namespace: String, isKnown: Bool) {
        guard error.code != .expired else { return }
        let watch = Self.watch(resource, namespace)
        lastErrors.withLock { $0[watch] = error }
        defer { onChange(.listed) }
        let isNews =
            (isKnown || error.code != .notFound && error.code != .forbidden)
            && outages.shouldLog(error.code, watch)
        var metadata: Logger.Metadata = ["resource": "\(resource.plural)", "error": "\(error)"]
        metadata["namespace"] = watch.namespace.map { "\($0)" }
        logger.log(level: isNews ? .warning : .debug, "watch interrupted", metadata: metadata)
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
