import KubeClient
import Resources
import System

/// The Secrets that each WrappedSecret owns or has merged entries into: more than one after its target was renamed. The
/// watch of Secrets keeps it up to date. Safe to use from any thread.
final class OwnedSecretIndex: Sendable {
    private struct Names {
        /// The Secrets that have another name than their owner.
        var owned = NameIndex<ObjectRef>()
        /// The hashes of the WrappedSecrets that own a Secret of their own name, as most do. Two of 64 bits are equal with a
        /// probability that can be neglected, and no tenant can choose them: each process has a key of its own.
        var sameNamed: Set<Int> = []
        /// By the namespace of the Secret, and the uid that its annotation gives as that of the WrappedSecret.
        var merged = NameIndex<MergeSource>()

        mutating func replace(_ before: ObjectMeta?, by after: ObjectMeta?) {
            if let before {
                if let owner = OwnedSecretIndex.owner(of: before) {
                    if owner.name == before.name {
                        sameNamed.remove(owner.hashValue)
                    } else {
                        owned.remove(before.name, owner)
                    }
                }
                for source in MergeSource.all(in: before) { merged.remove(before.name, source) }
            }
            if let after {
                if let owner = OwnedSecretIndex.owner(of: after) {
                    if owner.name == after.name {
                        sameNamed.insert(owner.hashValue)
                    } else {
                        owned.insert(after.name, owner)
                    }
                }
                for source in MergeSource.all(in: after) { merged.insert(after.name, source) }
            }
        }
    }

    private struct MergeSource: Hashable, Sendable {
        let namespace: String
        let uid: String

        static func all(in secret: ObjectMeta) -> [MergeSource] {
            MergeIdentity.sourceUIDs(in: secret).map {
                MergeSource(namespace: secret.namespace ?? "", uid: $0)
            }
        }
    }

    private let names = Locked(DerivedState(Names()))

    func beginList() { names.withLock { $0.beginList() } }
    func commitList() { names.withLock { $0.commitList() } }

    /// Returns the names of the Secrets that a WrappedSecret owns; sorted.
    func ownedSecretNames(by ref: ObjectRef) -> [String] {
        names.withLock { names in
            let isSameNamed = names.visible.sameNamed.contains(ref.hashValue)
            return names.visible.owned[ref].union(isSameNamed ? [ref.name] : []).sorted()
        }
    }

    /// Returns the names of the Secrets into which the WrappedSecret with this uid has merged entries; sorted.
    func mergedSecretNames(by uid: String, in namespace: String) -> [String] {
        names.withLock { $0.visible.merged[MergeSource(namespace: namespace, uid: uid)].sorted() }
    }

    /// Returns true if the WrappedSecret owns no Secret of another name and has merged entries into none.
    ///
    /// - Parameter uid: Returns the uid of the WrappedSecret; only called if any has merged entries.
    func hasNoOtherSecret(_ ref: ObjectRef, uid: () -> String?) -> Bool {
        names.withLock { names in
            guard names.visible.owned[ref].isEmpty else { return false }
            guard !names.visible.merged.isEmpty else { return true }
            return uid().map {
                names.visible.merged[MergeSource(namespace: ref.namespace, uid: $0)].isEmpty
            } ?? false
        }
    }

    /// Replaces what the cache had by what it has now.
    func update(
        _ before: ObjectMeta?, _ after: ObjectMeta?, in part: CachePart = .visible
    ) {
        names.withLock { names in
            names.change(part) { $0.replace(before, by: after) }
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
    private let names = Locked(DerivedState(NameIndex<ObjectRef>()))

    func beginList() { names.withLock { $0.beginList() } }
    func commitList() { names.withLock { $0.commitList() } }

    /// Returns the names of the WrappedSecrets, which are in the namespace of the Secret.
    func wrappedSecretNames(into secret: ObjectRef) -> Set<String> {
        names.withLock { $0.visible[secret] }
    }

    /// Replaces what the cache had by what it has now.
    func update(
        _ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?, in part: CachePart = .visible
    ) {
        let (old, new) = (Self.merge(before), Self.merge(after))
        guard old != nil || new != nil else { return }
        names.withLock { names in
            names.change(part) { names in
                if let (target, name) = old { names.remove(name, target) }
                if let (target, name) = new { names.insert(name, target) }
            }
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
    private struct State {
        var byProvider: [ProviderRef: Set<ObjectRef>] = [:]
        var byNamespace: [String: Set<ObjectRef>] = [:]

        mutating func insert(_ user: ObjectRef, _ provider: ProviderRef) {
            byProvider[provider, default: []].insert(user)
            byNamespace[user.namespace, default: []].insert(user)
        }

        mutating func remove(_ user: ObjectRef, _ provider: ProviderRef) {
            byProvider[provider]?.remove(user)
            if byProvider[provider]?.isEmpty == true { byProvider[provider] = nil }
            byNamespace[user.namespace]?.remove(user)
            if byNamespace[user.namespace]?.isEmpty == true { byNamespace[user.namespace] = nil }
        }
    }

    private let state = Locked(DerivedState(State()))

    func beginList() { state.withLock { $0.beginList() } }
    func commitList() { state.withLock { $0.commitList() } }

    func users(of provider: ProviderRef) -> Set<ObjectRef> {
        state.withLock { $0.visible.byProvider[provider] ?? [] }
    }

    /// The WrappedSecrets of a namespace that use any provider.
    func users(inNamespace namespace: String) -> Set<ObjectRef> {
        state.withLock { $0.visible.byNamespace[namespace] ?? [] }
    }

    /// The number of WrappedSecrets of each provider that has any.
    var counts: [ProviderRef: Int] { state.withLock { $0.visible.byProvider.mapValues(\.count) } }

    /// Replaces what the cache had by what it has now.
    func update(
        _ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?, in part: CachePart = .visible
    ) {
        let (old, new) = (Self.use(before), Self.use(after))
        guard old?.provider != new?.provider || old?.user != new?.user else { return }
        state.withLock { state in
            state.change(part) { state in
                if let old { state.remove(old.user, old.provider) }
                if let new { state.insert(new.user, new.provider) }
            }
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

    var isEmpty: Bool { names.isEmpty }

    subscript(key: Key) -> Set<String> { names[key] ?? [] }

    mutating func insert(_ name: String, _ key: Key) {
        names[key, default: []].insert(name)
    }

    mutating func remove(_ name: String, _ key: Key) {
        names[key]?.remove(name)
        if names[key]?.isEmpty == true { names[key] = nil }
    }
}
