import KubeClient
import Resources
import System

/// What we wrote and the watches have not shown yet. Without it, our own writes would look like drift.
///
/// A memory is dropped as soon as the watch has shown that version or a later one. Safe to use from any
/// thread.
final class WriteExpectations: Sendable {
    struct ExpectedStatus: Sendable {
        let uid: String
        /// Of the WrappedSecret after the write.
        let resourceVersion: String
        let status: WrappedSecretStatus

        /// The newer of this and what `object` carries.
        func newest(for object: ObjectMeta, _ status: WrappedSecretStatus?) -> WrappedSecretStatus? {
            let isNews = uid == object.uid && isOlder(object.resourceVersion, than: resourceVersion)
            return isNews ? self.status : status
        }
    }

    private enum SecretWrite {
        /// A write is under way. `seen`: the latest version that the watch has shown meanwhile, be it of a
        /// change, of a deletion or of a whole list.
        case inFlight(seen: String?)
        case done(ObjectMeta)
    }

    private struct State {
        var secrets: [ObjectRef: SecretWrite] = [:]
        var statuses: [ObjectRef: ExpectedStatus] = [:]
        /// The newest versions that the stores have had.
        var newestSecret: String?
        var newestObject: String?

        mutating func see(_ ref: ObjectRef, _ version: String?) {
            switch secrets[ref] {
            case nil:
                return
            case .inFlight(let seen):
                // Versions come in order, but for a list after a watch.
                if seen == nil || isOlder(seen, than: version) { secrets[ref] = .inFlight(seen: version) }
            case .done(let written):
                if !isOlder(version, than: written.resourceVersion) { secrets[ref] = nil }
            }
        }
    }

    private let state = Locked(State())

    /// To be called before a Secret is written, so that no event can slip in between.
    func begin(secret ref: ObjectRef) {
        state.withLock { $0.secrets[ref] = .inFlight(seen: nil) }
    }

    /// The write succeeded. What the watch has overtaken already is not remembered.
    func complete(secret: ObjectMeta) {
        state.withLock { state in
            if case .inFlight(let seen?) = state.secrets[secret.ref],
                !isOlder(seen, than: secret.resourceVersion)
            {
                state.secrets[secret.ref] = nil
            } else {
                state.secrets[secret.ref] = .done(secret)
            }
        }
    }

    /// The write failed, or what we remember proved wrong.
    func cancel(secret ref: ObjectRef) {
        state.withLock { $0.secrets[ref] = nil }
    }

    /// The store has this version of a Secret, or its deletion.
    func observe(secret: ObjectMeta) {
        state.withLock {
            $0.see(secret.ref, secret.resourceVersion)
            $0.newestSecret = newer($0.newestSecret, secret.resourceVersion)
        }
    }

    /// The store has every Secret as of this version: what we wrote before it is in there, or is gone. A
    /// version older than what was there before means that etcd was restored: what we wrote never was.
    func observeSecretList(upTo version: String) {
        state.withLock { state in
            let isRestored = isOlder(version, than: state.newestSecret)
            for ref in Array(state.secrets.keys) {
                if isRestored, case .done = state.secrets[ref] { state.secrets[ref] = nil }
                state.see(ref, version)
            }
            state.newestSecret = version
        }
    }

    /// The newer of what the store shows and what we wrote. The memory is read first: it goes only after the
    /// store has what it stands for, so that in this order one of the two always knows.
    func newestSecret(_ ref: ObjectRef, watched: @autoclosure () -> ObjectMeta?) -> ObjectMeta? {
        guard case .done(let written) = state.withLock({ $0.secrets[ref] }) else { return watched() }
        guard let watched = watched() else { return written }
        return isOlder(watched.resourceVersion, than: written.resourceVersion) ? written : watched
    }

    func complete(status: WrappedSecretStatus, on object: ObjectMeta) {
        guard let uid = object.uid, let version = object.resourceVersion else { return }
        state.withLock {
            $0.statuses[object.ref] = ExpectedStatus(uid: uid, resourceVersion: version, status: status)
        }
    }

    /// What we said last of an object. To be asked before the store is read, for the same reason.
    func expectedStatus(_ ref: ObjectRef) -> ExpectedStatus? {
        state.withLock { $0.statuses[ref] }
    }

    /// The store has this version of an object.
    func observe(object: ObjectMeta) {
        state.withLock {
            $0.newestObject = newer($0.newestObject, object.resourceVersion)
            guard let written = $0.statuses[object.ref],
                !isOlder(object.resourceVersion, than: written.resourceVersion)
            else { return }
            $0.statuses[object.ref] = nil
        }
    }

    /// The store has every object as of this version; see `sawSecrets`.
    func observeObjectList(upTo version: String) {
        state.withLock { state in
            let isRestored = isOlder(version, than: state.newestObject)
            state.statuses = state.statuses.filter {
                !isRestored && isOlder(version, than: $0.value.resourceVersion)
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
    return isOlder(left, than: right) ? right : left
}

/// Resource versions are compared as numbers (API concepts, "Resource versions", since 1.35 a promise;
/// true of etcd's revisions ever before). What is not a number counts as older, until it is equal.
private func isOlder(_ left: String?, than right: String?) -> Bool {
    guard left != right, right != nil else { return false }
    guard let left = left.flatMap({ UInt64($0) }), let right = right.flatMap({ UInt64($0) }) else {
        return true
    }
    return left < right
}
