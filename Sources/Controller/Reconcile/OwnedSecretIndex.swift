import KubeClient
import Resources
import System

/// Which Secrets each WrappedSecret owns or has entries in, by name: more than one after its target was renamed. Fed by
/// the watch of Secrets. Safe to use from any thread.
final class OwnedSecretIndex: Sendable {
    private struct Names {
        var owned = NameIndex<ObjectRef>()
        /// By the uid of the WrappedSecret that has entries in them.
        var entered = NameIndex<String>()
    }

    private let names = Locked(Names())

    /// Owned by the WrappedSecret `ref`; in order.
    func ownedSecretNames(by ref: ObjectRef) -> [String] {
        names.withLock { $0.owned[ref].sorted() }
    }

    /// Into which the WrappedSecret with this uid has merged entries; in order.
    func mergedSecretNames(enteredBy uid: String) -> [String] {
        names.withLock { $0.entered[uid].sorted() }
    }

    /// The watch shows `after` in place of `before`.
    func update(_ before: ObjectMeta?, _ after: ObjectMeta?) {
        names.withLock { names in
            if let before {
                if let owner = Self.owner(of: before) { names.owned.remove(before.name, owner) }
                for uid in MergeIdentity.sourceUIDs(in: before) { names.entered.remove(before.name, uid) }
            }
            if let after {
                if let owner = Self.owner(of: after) { names.owned.insert(after.name, owner) }
                for uid in MergeIdentity.sourceUIDs(in: after) { names.entered.insert(after.name, uid) }
            }
        }
    }

    private static func owner(of secret: ObjectMeta) -> ObjectRef? {
        OwnershipMetadata.owner(of: secret).map {
            ObjectRef(namespace: secret.namespace ?? "", name: $0.name)
        }
    }
}
