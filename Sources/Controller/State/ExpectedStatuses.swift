import KubeClient
import Resources
import System

/// The status that this process wrote for each object, or found right. A status that becomes another one was changed by
/// another writer, and is corrected. Only hashes are kept. Safe to use from any thread.
///
/// An instance that stands by knows none, so that it does not undo what the leader writes.
final class ExpectedStatuses: Sendable {
    private struct Known: Equatable {
        let uid: String?
        let hash: Int
    }

    private let known = Locked<[ObjectRef: Known]>([:])

    /// To be called before the status is written, so that the watch cannot be faster.
    func expect(_ status: WrappedSecretStatus?, of object: ObjectMeta) {
        known.withLock { $0[object.ref] = Known(uid: object.uid, hash: Self.hash(status)) }
    }

    /// Whether the watch shows another status than the known one.
    func isExternallyModified(_ status: WrappedSecretStatus?, of object: ObjectMeta) -> Bool {
        guard let known = known.withLock({ $0[object.ref] }), known.uid == object.uid else { return false }
        return known.hash != Self.hash(status)
    }

    /// Without a field that an older CRD does not have, which the API server would drop from each write.
    private static func hash(_ status: WrappedSecretStatus?) -> Int {
        var status = status
        status?.lastVerifiedTime = nil
        return status.hashValue
    }

    func forget(_ ref: ObjectRef) {
        known.withLock { $0[ref] = nil }
    }
}
