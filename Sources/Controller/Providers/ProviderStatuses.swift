import KubeClient
import Resources
import System

/// The statuses of providers, as the watches show them or, if that is newer, as this process wrote them. Safe to use from any
/// thread.
final class ProviderStatuses: Sendable {
    struct State: Sendable {
        let metadata: ObjectMeta
        let status: KeyProviderStatus?
        /// False after a write that failed, and may have been executed.
        let isKnown: Bool
    }

    private enum LastWrite {
        case succeeded(uid: String?, resourceVersion: String?, KeyProviderStatus)
        /// - Parameter seen: The version that the cache had before the write.
        case failed(seen: String?)
    }

    private let caches: ProviderCaches
    private let client: KubeClient
    /// The name of this controller, if it watches only a part of the cluster.
    private let reporter: String?
    /// True if others may watch the same namespaces, for WrappedSecrets with other labels.
    private let sharesNamespaces: Bool
    private let writes = Locked<[ProviderRef: LastWrite]>([:])

    init(_ caches: ProviderCaches, client: KubeClient, reporter: String?, sharesNamespaces: Bool) {
        self.caches = caches
        self.client = client
        self.reporter = reporter
        self.sharesNamespaces = sharesNamespaces
    }

    /// Returns the metadata and the newest known status of a provider, or nil if it does not exist.
    func state(of provider: ProviderRef) -> State? {
        // Read before the cache: a write ends only after the cache has its version.
        let write = writes.withLock { $0[provider] }
        guard let (metadata, cached) = caches.state(of: provider) else { return nil }
        switch write {
        case .succeeded(let uid, let version, let status)
        where uid == metadata.uid && ResourceVersion.isOlder(metadata.resourceVersion, than: version):
            var metadata = metadata
            metadata.resourceVersion = version
            return State(metadata: metadata, status: status, isKnown: true)
        case .failed(let seen):
            return State(metadata: metadata, status: cached, isKnown: seen != metadata.resourceVersion)
        case .succeeded, nil: return State(metadata: metadata, status: cached, isKnown: true)
        }
    }

    /// The number of writes that are remembered.
    var count: Int { writes.withLock { $0.count } }

    /// The provider has changed or does not exist any more.
    func forget(_ provider: ProviderRef) {
        guard caches.state(of: provider) == nil else { return }
        writes.withLock { $0[provider] = nil }
    }

    /// Returns the name that this controller sets in the status of a provider, or nil if no other one reports it.
    func reporter(of provider: ProviderRef) -> String? {
        provider.isClusterScoped || sharesNamespaces ? reporter : nil
    }

    /// Writes a status.
    ///
    /// - Parameter state: The state that the status follows.
    func write(
        _ status: KeyProviderStatus, of provider: ProviderRef, over state: State
    ) async throws(KubeError) {
        let resource = provider.isClusterScoped ? ClusterKeyProvider.resource : KeyProvider.resource
        let patch = JSONPatch { patch in
            patch.test("/metadata/uid", state.metadata.uid ?? "")
            // A status that another controller reports meanwhile may be one that this one must not replace.
            if status.reporter != nil {
                patch.test("/metadata/resourceVersion", state.metadata.resourceVersion ?? "")
            }
            patch.operation("add", "/status") { status.write(to: &$0) }
        }
        // The provider may have been deleted meanwhile, and then most writes fail.
        defer { forget(provider) }
        do throws(KubeError) {
            let written = try await client.patch(
                resource, provider.object, subresource: "status", .json(patch))
            writes.withLock {
                $0[provider] = .succeeded(
                    uid: written.uid, resourceVersion: written.resourceVersion, status)
            }
        } catch {
            writes.withLock { $0[provider] = .failed(seen: state.metadata.resourceVersion) }
            throw error
        }
    }
}

extension KeyProviderStatus {
    /// Returns true if this status may replace `previous`. Controllers that watch parts of a cluster share a ClusterKeyProvider,
    /// and may have different rights: the provider is ready if one of them can use it, and a failure replaces only what the
    /// same controller reported.
    func mayReplace(_ previous: KeyProviderStatus?) -> Bool {
        guard let previous, let reporter, let other = previous.reporter, other != reporter,
            previous.observedGeneration == observedGeneration
        else { return true }
        return ready?.status == "True" && previous.ready?.status != "True"
    }
}
