import KubeClient
import Resources
import System

/// Versions of Secrets and statuses that this process wrote and the watches have not shown yet. Without them, a cache
/// that lags behind would make our own writes look like drift.
///
/// An expectation ends when the watch has shown its version or a later one. Safe to use from any thread.
final class WriteExpectations: Sendable {
    struct ExpectedStatus: Sendable {
        let uid: String
        /// The version of the WrappedSecret after the write.
        let resourceVersion: String
        let status: WrappedSecretStatus

        /// Returns the newer of this status and `cached`, which came with `object`.
        func newest(for object: ObjectMeta, _ cached: WrappedSecretStatus?) -> WrappedSecretStatus? {
            let isAhead =
                uid == object.uid && ResourceVersion.isOlder(object.resourceVersion, than: resourceVersion)
            return isAhead ? status : cached
        }
    }

    /// The writes of one Secret. Several WrappedSecrets may merge into it at the same time.
    private struct SecretWrites {
        /// The number of requests that have no response yet.
        private var requestCount = 0
        /// The latest version that the watch has shown during these requests, be it of a change, of a deletion or of a whole list.
        private var observed: String?
        /// True if etcd was restored during these requests, so that a response may be of a write that is lost.
        private var isRestored = false
        private(set) var expected: ObjectMeta?

        var isEmpty: Bool { requestCount == 0 && expected == nil }

        mutating func begin() { requestCount += 1 }

        /// - Parameter written: The response, or nil if the write failed.
        mutating func end(_ written: ObjectMeta?) {
            if let version = written?.resourceVersion {
                let isShown = observed.map { !ResourceVersion.isOlder($0, than: version) } ?? false
                // The responses of two writes may come in any order.
                if !isShown, !isRestored, ResourceVersion.isOlder(expected?.resourceVersion, than: version) {
                    expected = written
                }
            } else {
                expected = nil
            }
            requestCount = max(requestCount - 1, 0)
            if requestCount == 0 { (observed, isRestored) = (nil, false) }
        }

        mutating func observe(_ version: String?) {
            // Versions come in order, except for a list that follows a watch.
            if requestCount > 0, observed == nil || ResourceVersion.isOlder(observed, than: version) {
                observed = version
            }
            if let expected, !ResourceVersion.isOlder(version, than: expected.resourceVersion) {
                self.expected = nil
            }
        }

        mutating func restore() {
            (observed, expected) = (nil, nil)
            isRestored = requestCount > 0
        }
    }

    private struct State {
        var secrets: [ObjectRef: SecretWrites] = [:]
        var statuses: [ObjectRef: ExpectedStatus] = [:]
        /// The newest versions that the caches have had.
        var newestSecret: String?
        var newestObject: String?

        /// Changes what is known of the writes of a Secret. Nothing is kept of one that is not written.
        mutating func change(_ ref: ObjectRef, _ body: (inout SecretWrites) -> Void) {
            var writes = secrets[ref] ?? SecretWrites()
            body(&writes)
            secrets[ref] = writes.isEmpty ? nil : writes
        }
    }

    private let state = Locked(State())

    // MARK: Secrets

    /// Must be called before a Secret is written, so that no event of the write goes unnoticed.
    func begin(secret ref: ObjectRef) {
        state.withLock { $0.change(ref) { $0.begin() } }
    }

    /// Expects the version that a write returned, unless the watch has shown it, or a later one, already.
    func complete(secret: ObjectMeta) {
        state.withLock { $0.change(secret.ref) { $0.end(secret) } }
    }

    /// Ends a write that failed. What is known of the Secret may be wrong, so that nothing is expected of it.
    func cancel(secret ref: ObjectRef) {
        state.withLock { $0.change(ref) { $0.end(nil) } }
    }

    /// Records that the cache has this version of a Secret, or its deletion.
    func observe(secret: ObjectMeta) {
        state.withLock {
            if $0.secrets[secret.ref] != nil { $0.change(secret.ref) { $0.observe(secret.resourceVersion) } }
            $0.newestSecret = newer($0.newestSecret, secret.resourceVersion)
        }
    }

    /// Records that the cache has every Secret as of this version: what was written before it is in the cache, or was
    /// deleted. A version older than an earlier one means that etcd was restored, and that our writes are lost.
    func observeSecretList(upTo version: String) {
        state.withLock { state in
            let isRestored = ResourceVersion.isOlder(version, than: state.newestSecret)
            for ref in Array(state.secrets.keys) {
                state.change(ref) { writes in
                    if isRestored { writes.restore() }
                    writes.observe(version)
                }
            }
            state.newestSecret = version
        }
    }

    /// Returns the newer of the written and the cached version. Reads the expectation before the cache: an expectation
    /// ends only after the cache has its version, so that one of the two always has it.
    func newestSecret(_ ref: ObjectRef, cached: @autoclosure () -> ObjectMeta?) -> ObjectMeta? {
        guard let written = state.withLock({ $0.secrets[ref]?.expected }) else { return cached() }
        guard let cached = cached() else { return written }
        return ResourceVersion.isOlder(cached.resourceVersion, than: written.resourceVersion)
            ? written : cached
    }

    // MARK: statuses

    /// Expects the status that was written to `object`, which is the API server's response, unless the watch has shown it already.
    func complete(status: WrappedSecretStatus, on object: ObjectMeta) {
        guard let uid = object.uid, let version = object.resourceVersion else { return }
        state.withLock { state in
            // A watch shows versions in their order: a later one of any object came after this one, whose expectation would
            // stay for as long as the object does not change.
            let isShown = !ResourceVersion.isOlder(state.newestObject, than: version)
            state.statuses[object.ref] =
                isShown ? nil : ExpectedStatus(uid: uid, resourceVersion: version, status: status)
        }
    }

    /// Must be called before the cache is read, for the same reason as in `newestSecret`.
    func expectedStatus(_ ref: ObjectRef) -> ExpectedStatus? {
        state.withLock { $0.statuses[ref] }
    }

    /// Records that the cache has this version of a WrappedSecret.
    func observe(object: ObjectMeta) {
        state.withLock {
            $0.newestObject = newer($0.newestObject, object.resourceVersion)
            guard let written = $0.statuses[object.ref],
                !ResourceVersion.isOlder(object.resourceVersion, than: written.resourceVersion)
            else { return }
            $0.statuses[object.ref] = nil
        }
    }

    /// Records that the cache has every WrappedSecret as of this version; see `observeSecretList`.
    func observeObjectList(upTo version: String) {
        state.withLock { state in
            let isRestored = ResourceVersion.isOlder(version, than: state.newestObject)
            state.statuses = state.statuses.filter {
                !isRestored && ResourceVersion.isOlder(version, than: $0.value.resourceVersion)
            }
            state.newestObject = version
        }
    }

    func forget(object ref: ObjectRef) {
        state.withLock { $0.statuses[ref] = nil }
    }
}

private func newer(_ left: String?, _ right: String?) -> String? {
    guard let left else { return right }
    return ResourceVersion.isOlder(left, than: right) ? right : left
}

enum ResourceVersion {
    /// Compares resource versions as numbers. Kubernetes 1.35 documents that order (API concepts, "Resource versions");
    /// etcd's revisions always had it. A version that is not a number counts as older, unless both are equal.
    static func isOlder(_ left: String?, than right: String?) -> Bool {
        guard left != right, right != nil else { return false }
        guard let left = left.flatMap({ UInt64($0) }), let right = right.flatMap({ UInt64($0) }) else {
            return true
        }
        return left < right
    }
}
