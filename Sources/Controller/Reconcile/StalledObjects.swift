import KubeClient
import Primitives

/// Objects that failed for a reason which only a change of theirs can mend. Each is tried once per process
/// and state: trying again would cost the KMS a call and end the same way. Safe to use from any thread.
final class StalledObjects: Sendable {
    private struct Tried: Equatable {
        let uid: String?
        let generation: Int64?
        let annotations: [String: String]?

        init(_ object: ObjectMeta) {
            uid = object.uid
            generation = object.generation
            annotations = object.annotations
        }
    }

    private let tried = Locked<[ObjectRef: Tried]>([:])

    func insert(_ object: ObjectMeta) {
        tried.withLock { $0[object.ref] = Tried(object) }
    }

    /// Whether this very state has failed before. Another state is forgotten.
    func contains(_ object: ObjectMeta) -> Bool {
        tried.withLock { tried in
            guard let known = tried[object.ref] else { return false }
            if known == Tried(object) { return true }
            tried[object.ref] = nil
            return false
        }
    }

    func forget(_ ref: ObjectRef) {
        tried.withLock { $0[ref] = nil }
    }
}
