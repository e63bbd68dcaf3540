import KubeClient
import Resources
import System

/// The Secrets that each WrappedSecret owns or has merged entries into: more than one after its target was renamed. The
/// watch of Secrets keeps it up to date. Safe to use from any thread.
final class OwnedSecretIndex: Sendable {
    private struct Names {
        var owned = NameIndex<ObjectRef>()
        /// By the uid of the WrappedSecret.
        var merged = NameIndex<String>()
    }

    private let names = Locked(Names())

    /// Returns the names of the Secrets that a WrappedSecret owns; sorted.
    func ownedSecretNames(by ref: ObjectRef) -> [String] {
        names.withLock { $0.owned[ref].sorted() }
    }

    /// Returns the names of the Secrets into which the WrappedSecret with this uid has merged entries; sorted.
    func mergedSecretNames(by uid: String) -> [String] {
        names.withLock { $0.merged[uid].sorted() }
    }

    /// Replaces what the cache had by what it has now.
    func update(_ before: ObjectMeta?, _ after: ObjectMeta?) {
        names.withLock { names in
            if let before {
                if let owner = Self.owner(of: before) { names.owned.remove(before.name, owner) }
                for uid in MergeIdentity.sourceUIDs(in: before) { names.merged.remove(before.name, uid) }
            }
            if let after {
                if let owner = Self.owner(of: after) { names.owned.insert(after.name, owner) }
                for uid in MergeIdentity.sourceUIDs(in: after) { names.merged.insert(after.name, uid) }
            }
        }
    }

    private static func owner(of secret: ObjectMeta) -> ObjectRef? {
        OwnershipMetadata.owner(of: secret).map {
            ObjectRef(namespace: secret.namespace ?? "", name: $0.name)
        }
    }
}

/// The WrappedSecrets that merge entries into each Secret. The metadata of the Secret does not list them, so that any
/// number can share it. The watch of WrappedSecrets keeps it up to date. Safe to use from any thread.
final class MergeTargetIndex: Sendable {
    private let names = Locked(NameIndex<ObjectRef>())

    /// Returns the names of the WrappedSecrets, which are in the namespace of the Secret.
    func wrappedSecretNames(into secret: ObjectRef) -> Set<String> {
        names.withLock { $0[secret] }
    }

    /// Replaces what the cache had by what it has now.
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

/// The WrappedSecrets that use each provider. The watch of WrappedSecrets keeps it up to date. Safe to use from any thread.
final class ProviderUserIndex: Sendable {
    private let users = Locked<[ProviderRef: Set<ObjectRef>]>([:])

    func users(of provider: ProviderRef) -> Set<ObjectRef> { users.withLock { $0[provider] ?? [] } }

    /// The WrappedSecrets of a namespace that use any provider.
    func users(inNamespace namespace: String) -> [ObjectRef] {
        users.withLock { $0.values.flatMap { $0.filter { $0.namespace == namespace } } }
    }

    /// The number of WrappedSecrets of each provider that has any.
    var counts: [ProviderRef: Int] { users.withLock { $0.mapValues(\.count) } }

    /// Replaces what the cache had by what it has now.
    func update(_ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?) {
        let (old, new) = (Self.use(before), Self.use(after))
        guard old?.provider != new?.provider || old?.user != new?.user else { return }
        users.withLock { users in
            if let old {
                users[old.provider]?.remove(old.user)
                if users[old.provider]?.isEmpty == true { users[old.provider] = nil }
            }
            if let new { users[new.provider, default: []].insert(new.user) }
        }
    }

    private static func use(_ object: Decoded<WrappedSecret>?) -> (provider: ProviderRef, user: ObjectRef)? {
        guard case .object(let object)? = object, let reference = object.spec.keyRef else { return nil }
        let ref = object.metadata.ref
        return (ProviderRef(reference, namespace: ref.namespace), ref)
    }
}

/// Sets of names by key. Holds nothing for a key without names.
private struct NameIndex<Key: Hashable & Sendable>: Sendable {
    private var names: [Key: Set<String>] = [:]

    subscript(key: Key) -> Set<String> { names[key] ?? [] }

    mutating func insert(_ name: String, _ key: Key) {
        names[key, default: []].insert(name)
    }

    mutating func remove(_ name: String, _ key: Key) {
        names[key]?.remove(name)
        if names[key]?.isEmpty == true { names[key] = nil }
    }
}
