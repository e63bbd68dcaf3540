import Envelope
import KubeClient
import Resources

/// What the API server's account of who set which field, and when (`managedFields`), says of a Secret's data. Needed
/// where the resourceVersion says nothing: any label moves it, and so does a new encryption key of etcd, for every
/// Secret at once.
struct DataOwnership: Sendable {
    private let manager: String
    /// Whether the whole Secret is ours, and not only our entries.
    private let isWhole: Bool
    private let entries: Set<String>

    init(of blueprint: DesiredSecret) {
        manager = blueprint.fieldManager
        isWhole = blueprint.mergeIdentity == nil
        entries = Set(blueprint.envelope.entryNames)
    }

    /// Whether nothing hints at a change of the data since `time`, as the API server gave it for our last write: each of
    /// our entries still has a manager, and no other manager has set an entry, or `immutable`, since then. A hint and no
    /// proof, because a writer of the Secret can set these fields as well.
    func appearsUnchanged(_ secret: ObjectMeta, since time: String?) -> Bool {
        guard let time, lastWriteTime(secret) == time else { return false }
        let others = others(secret)
        let owned = others.reduce(into: Set(ours(secret).joined())) { $0.formUnion($1.data) }
        return entries.isSubset(of: owned)
            && others.allSatisfy { $0.time.map { $0 < time } == true || !touches($0) }
    }

    /// Whether a manager has a hand in what is ours of the Secret.
    private func touches(_ fields: ManagedFieldsEntry) -> Bool {
        isWhole ? !fields.data.isEmpty || fields.ownsImmutable : !fields.data.isDisjoint(with: entries)
    }

    /// When we wrote it last, by the API server's clock.
    func lastWriteTime(_ secret: ObjectMeta) -> String? {
        // The times have one format.
        secret.managedFields?.filter { $0.manager == manager }.compactMap(\.time).max()
    }

    /// Entries of the blueprint that others have and we have not, and who they are. Whoever overwrites a value of ours
    /// takes it from us; to have an entry together says that the value is one.
    func conflictingEntries(_ secret: ObjectMeta) -> (entries: Set<String>, managers: Set<String>) {
        let wanted = entries.subtracting(ours(secret).joined())
        // What was written into the whole Secret under our general name has no owner: no WrappedSecret owns the
        // Secret any more, or its entries could not be merged into.
        let claimants = others(secret).filter {
            !$0.data.isDisjoint(with: wanted) && (isWhole || $0.manager != KubeClient.fieldManager)
        }
        let claimed = claimants.reduce(into: Set<String>()) { $0.formUnion($1.data.intersection(wanted)) }
        return (claimed, Set(claimants.map(\.manager)))
    }

    /// Who else has a hand in the data, or in the Secret at least; in order.
    func otherManagers(_ secret: ObjectMeta) -> [String] {
        let others = others(secret)
        let writers = others.filter {
            isWhole ? !$0.data.isEmpty : !$0.data.isDisjoint(with: entries)
        }
        return Set((writers.isEmpty ? others : writers).map(\.manager)).sorted()
    }

    private func others(_ secret: ObjectMeta) -> [ManagedFieldsEntry] {
        (secret.managedFields ?? []).filter { $0.manager != manager }
    }

    /// The entries that we have, by each of our accounts: more than one there can be after a new version of the API.
    private func ours(_ secret: ObjectMeta) -> [Set<String>] {
        (secret.managedFields ?? []).filter { $0.manager == manager && !$0.data.isEmpty }.map(\.data)
    }
}
