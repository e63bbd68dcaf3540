import KubeClient
import Primitives
import Resources

/// Which Secrets each WrappedSecret owns, by name: more than one after its target was renamed. Fed by the watch of
/// Secrets. Safe to use from any thread.
final class MadeSecrets: Sendable {
    private let names = Locked<[ObjectRef: Set<String>]>([:])

    /// By the WrappedSecret `ref`; in order.
    func names(by ref: ObjectRef) -> [String] {
        names.withLock { $0[ref]?.sorted() ?? [] }
    }

    /// The watch shows `after` in place of `before`.
    func saw(_ before: ObjectMeta?, _ after: ObjectMeta?) {
        names.withLock { names in
            if let before, let owner = Self.owner(of: before) {
                names[owner]?.remove(before.name)
                if names[owner]?.isEmpty == true { names[owner] = nil }
            }
            if let after, let owner = Self.owner(of: after) { names[owner, default: []].insert(after.name) }
        }
    }

    private static func owner(of secret: ObjectMeta) -> ObjectRef? {
        Markers.owner(of: secret).map { ObjectRef(namespace: secret.namespace ?? "", name: $0.name) }
    }
}
