import KubeClient
import Primitives
import Resources

/// What we wrote and the watches have not shown yet. Without it, our own writes would look like drift.
///
/// A memory is dropped as soon as the watch has shown that version or a later one. Safe to use from any
/// thread.
final class OwnWrites: Sendable {
    struct WrittenStatus: Sendable {
        let uid: String
        /// Of the WrappedSecret after the write.
        let resourceVersion: String
        let status: WrappedSecretStatus
    }

    private enum SecretWrite {
        /// A write is under way. `seen`: the latest version that the watch has shown meanwhile, be it of a
        /// change or of a deletion.
        case inFlight(seen: String?)
        case done(ObjectMeta)
    }

    private struct State {
        var secrets: [ObjectRef: SecretWrite] = [:]
        var statuses: [ObjectRef: WrittenStatus] = [:]
    }

    private let state = Locked(State())

    /// To be called before a Secret is written, so that no event can slip in between.
    func willWrite(secret ref: ObjectRef) {
        state.withLock { $0.secrets[ref] = .inFlight(seen: nil) }
    }

    /// The write succeeded. What the watch has overtaken already is not remembered.
    func wrote(secret: ObjectMeta) {
        state.withLock { state in
            if case .inFlight(let seen?) = state.secrets[secret.ref],
                !Self.isOlder(seen, than: secret.resourceVersion)
            {
                state.secrets[secret.ref] = nil
            } else {
                state.secrets[secret.ref] = .done(secret)
            }
        }
    }

    /// The write failed, or what we remember proved wrong.
    func forget(secret ref: ObjectRef) {
        state.withLock { $0.secrets[ref] = nil }
    }

    /// The watch showed this version of a Secret, or its deletion.
    func saw(secret: ObjectMeta) {
        state.withLock { state in
            switch state.secrets[secret.ref] {
            case nil:
                return
            case .inFlight:
                state.secrets[secret.ref] = .inFlight(seen: secret.resourceVersion)
            case .done(let written):
                guard !Self.isOlder(secret.resourceVersion, than: written.resourceVersion) else { return }
                state.secrets[secret.ref] = nil
            }
        }
    }

    /// The newer of what the watch shows and what we wrote.
    func secret(_ ref: ObjectRef, watched: ObjectMeta?) -> ObjectMeta? {
        guard case .done(let written) = state.withLock({ $0.secrets[ref] }) else { return watched }
        guard let watched else { return written }
        return Self.isOlder(watched.resourceVersion, than: written.resourceVersion) ? written : watched
    }

    /// A complete list is newer than every write that was over when it began.
    func forgetSecrets() {
        state.withLock { state in
            state.secrets = state.secrets.filter {
                if case .inFlight = $0.value { true } else { false }
            }
        }
    }

    func wrote(status: WrappedSecretStatus, on object: ObjectMeta) {
        guard let uid = object.uid, let version = object.resourceVersion else { return }
        state.withLock {
            $0.statuses[object.ref] = WrittenStatus(uid: uid, resourceVersion: version, status: status)
        }
    }

    func status(of object: WrappedSecret) -> WrappedSecretStatus? {
        guard let written = state.withLock({ $0.statuses[object.metadata.ref] }),
            written.uid == object.metadata.uid,
            Self.isOlder(object.metadata.resourceVersion, than: written.resourceVersion)
        else { return object.status }
        return written.status
    }

    func saw(object: ObjectMeta) {
        state.withLock {
            guard let written = $0.statuses[object.ref],
                !Self.isOlder(object.resourceVersion, than: written.resourceVersion)
            else { return }
            $0.statuses[object.ref] = nil
        }
    }

    func forget(object ref: ObjectRef) {
        state.withLock { $0.statuses[ref] = nil }
    }

    /// Resource versions are compared as numbers (API concepts, "Resource versions", since 1.35 a promise;
    /// true of etcd's revisions ever before). What is not a number counts as older, until it is equal.
    private static func isOlder(_ left: String?, than right: String?) -> Bool {
        guard left != right else { return false }
        guard let left = left.flatMap({ UInt64($0) }), let right = right.flatMap({ UInt64($0) }) else {
            return true
        }
        return left < right
    }
}
