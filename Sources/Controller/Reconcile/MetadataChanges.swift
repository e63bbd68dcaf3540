import Envelope
import KubeClient
import Resources

/// The changes that give a Secret the desired metadata. Labels and annotations of other writers stay. Those of an
/// earlier template are removed; `managedFields` lists them.
struct MetadataChanges: Sendable, Equatable {
    struct KeyChanges: Sendable, Equatable {
        /// True if the Secret has no such map yet.
        var createsMap = false
        var added: [String: String] = [:]
        var removed: Set<String> = []

        var isEmpty: Bool { added.isEmpty && removed.isEmpty }
    }

    let labels: KeyChanges
    let annotations: KeyChanges
    /// All owner references of the Secret, or nil if they do not change.
    let ownerReferences: [OwnerReference]?

    /// - Parameters:
    ///   - extra: the labels that the operator adds.
    ///   - isAdoption: whether the annotation `allow: adopt` permits this change.
    init(
        _ current: ObjectMeta, to desired: DesiredSecret, of object: WrappedSecret,
        adding extra: [String: String], isAdoption: Bool = false
    ) {
        var owned = current.keysOwned(by: desired.fieldManager)
        // An adoption removes the permission, so that it does not apply to a later WrappedSecret.
        if isAdoption { owned.annotations.insert(OwnershipMetadata.allowAnnotation) }
        labels = Self.changes(current.labels, to: Self.labels(desired, adding: extra), owned: owned.labels)
        var wanted = Self.annotations(desired, of: object)
        // The list of entries is written with the entries, and is no reason to write them.
        if let identity = desired.mergeIdentity {
            wanted[identity.entriesAnnotation] = nil
            owned.annotations.remove(identity.entriesAnnotation)
        }
        annotations = Self.changes(current.annotations, to: wanted, owned: owned.annotations)
        guard desired.mergeIdentity == nil else {
            ownerReferences = nil
            return
        }
        // Our reference comes first, in place of all to WrappedSecrets; those that others added stay.
        let foreign = (current.ownerReferences ?? []).filter { !OwnershipMetadata.isWrappedSecret($0) }
        let references = OwnershipMetadata.ownerReferences(to: object) + foreign
        ownerReferences = references == current.ownerReferences ?? [] ? nil : references
    }

    var isEmpty: Bool { labels.isEmpty && annotations.isEmpty && ownerReferences == nil }

    /// Returns the labels of the template, of the operator (`extra`) and of the controller. A merge target gets only
    /// those of the template and the one that the watch selects by.
    static func labels(_ desired: DesiredSecret, adding extra: [String: String]) -> [String: String] {
        guard desired.mergeIdentity == nil else {
            return desired.labels.merging([OwnershipMetadata.managedLabel: "true"]) { _, own in own }
        }
        if desired.labels.isEmpty, extra.isEmpty { return OwnershipMetadata.labels }
        return desired.labels.merging(extra) { _, operators in operators }
            .merging(OwnershipMetadata.labels) { _, own in own }
    }

    static func annotations(_ desired: DesiredSecret, of object: WrappedSecret) -> [String: String] {
        let own =
            desired.mergeIdentity?.annotations(desired.keys, of: object)
            ?? OwnershipMetadata.annotations(of: object)
        return desired.annotations.isEmpty ? own : desired.annotations.merging(own) { _, own in own }
    }

    private static func changes(
        _ current: [String: String]?, to wanted: [String: String], owned: Set<String>
    ) -> KeyChanges {
        guard let current else { return KeyChanges(createsMap: true, added: wanted) }
        if current == wanted { return KeyChanges() }
        return KeyChanges(
            added: wanted.filter { current[$0.key] != $0.value },
            removed: owned.filter { wanted[$0] == nil && current[$0] != nil })
    }
}
