import Envelope
import KubeClient
import Resources

/// What has to happen to a Secret's metadata to make it what a blueprint says. Foreign labels and annotations stay;
/// those of an earlier template go, as `managedFields` remembers them.
struct MetadataChanges: Sendable, Equatable {
    struct KeyChanges: Sendable, Equatable {
        /// Whether there is no map yet, so that it is made with all that is added.
        var createsMap = false
        var added: [String: String] = [:]
        var removed: Set<String> = []

        var isEmpty: Bool { added.isEmpty && removed.isEmpty }
    }

    let labels: KeyChanges
    let annotations: KeyChanges
    /// nil: they are right.
    let ownerReferences: [OwnerReference]?

    /// - Parameter isAdoption: whether the Secret is being taken over with its annotation `allow: adopt`.
    init(
        _ current: ObjectMeta, to blueprint: DesiredSecret, of object: WrappedSecret,
        adding extra: [String: String], isAdoption: Bool = false
    ) {
        var ours = current.keysOwned(by: blueprint.fieldManager)
        // An adoption uses the permission up, so that no later WrappedSecret finds it.
        if isAdoption { ours.annotations.insert(OwnershipMetadata.allowAnnotation) }
        labels = Self.changes(
            current.labels, to: Self.labels(blueprint, adding: extra), owned: ours.labels)
        var wanted = Self.annotations(blueprint, of: object)
        // It is written with the entries, and is no reason to write them.
        if let merger = blueprint.mergeIdentity {
            wanted[merger.entriesAnnotation] = nil
            ours.annotations.remove(merger.entriesAnnotation)
        }
        annotations = Self.changes(current.annotations, to: wanted, owned: ours.annotations)
        guard blueprint.mergeIdentity == nil else {
            ownerReferences = nil
            return
        }
        // Ours first, in place of whatever WrappedSecrets left; what others added stays.
        let foreign = (current.ownerReferences ?? []).filter { !OwnershipMetadata.isWrappedSecret($0) }
        let references = OwnershipMetadata.ownerReferences(to: object) + foreign
        ownerReferences = references == current.ownerReferences ?? [] ? nil : references
    }

    var isEmpty: Bool { labels.isEmpty && annotations.isEmpty && ownerReferences == nil }

    /// All that the Secret is to have: the template's, the operator's (`extra`), and ours. Of one that is somebody
    /// else's, no more than it takes to know it again.
    static func labels(_ blueprint: DesiredSecret, adding extra: [String: String]) -> [String: String] {
        guard blueprint.mergeIdentity == nil else {
            return blueprint.labels.merging([OwnershipMetadata.managedLabel: "true"]) { _, ours in ours }
        }
        return blueprint.labels.merging(extra) { _, operators in operators }
            .merging(OwnershipMetadata.labels()) { _, ours in ours }
    }

    static func annotations(_ blueprint: DesiredSecret, of object: WrappedSecret) -> [String: String] {
        if let merger = blueprint.mergeIdentity {
            return blueprint.annotations.merging(
                merger.annotations(blueprint.envelope.entryNames, of: object)
            ) { _, ours in ours }
        }
        return blueprint.annotations.merging(OwnershipMetadata.annotations(of: object)) { _, ours in ours }
    }

    private static func changes(
        _ current: [String: String]?, to wanted: [String: String], owned: Set<String>
    ) -> KeyChanges {
        guard let current else { return KeyChanges(createsMap: true, added: wanted) }
        return KeyChanges(
            added: wanted.filter { current[$0.key] != $0.value },
            removed: owned.filter { wanted[$0] == nil && current[$0] != nil })
    }
}
