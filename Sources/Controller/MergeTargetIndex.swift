import KubeClient
import Resources
import System

/// Which WrappedSecrets add entries to a Secret that is somebody else's. Its metadata does not name them, so that
/// any number of them can share it. Fed by the watch of WrappedSecrets. Safe to use from any thread.
final class MergeTargetIndex: Sendable {
    private let names = Locked(NameIndex<ObjectRef>())

    /// Names of the WrappedSecrets, in the namespace of the Secret.
    func wrappedSecretNames(into secret: ObjectRef) -> Set<String> {
        names.withLock { $0[secret] }
    }

    /// The watch shows `after` in place of `before`.
    func update(_ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?) {
        names.withLock { names in
            if let (target, name) = Self.merge(before) { names.remove(name, target) }
            if let (target, name) = Self.merge(after) { names.insert(name, target) }
        }
    }

    private static func merge(_ object: Decoded<WrappedSecret>?) -> (target: ObjectRef, name: String)? {
        guard case .object(let object)? = object, object.spec.isMerge else { return nil }
        let ref = object.metadata.ref
        return (ObjectRef(namespace: ref.namespace, name: object.secretName), ref.name)
    }
}
