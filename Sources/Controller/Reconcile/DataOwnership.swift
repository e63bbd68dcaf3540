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

    init(of blueprint: Blueprint) {
        manager = blueprint.fieldManager
        isWhole = blueprint.merger == nil
        entries = Set(blueprint.envelope.entries.map(\.name))
    }

    /// Whether the data is what we wrote: exactly we own exactly these entries, nobody else `immutable`, and we have
    /// changed nothing since `time`, as the API server gave it for our last write. What cannot be told is no.
    func isIntact(_ secret: ObjectMeta, since time: String?) -> Bool {
        guard let time, !isWhole || !others(secret).contains(where: \.isOfImmutable) else { return false }
        let owners = (secret.managedFields ?? []).filter(concernsUs)
        guard !entries.isEmpty else { return owners.isEmpty && lastWrite(secret) == time }
        guard let ours = owners.first, owners.count == 1 else { return false }
        return ours.manager == manager && ours.time == time && ours.data == entries
    }

    /// When we wrote it last, by the API server's clock.
    func lastWrite(_ secret: ObjectMeta) -> String? {
        // More than one entry of ours there can be after a new version of the API; the times have one format.
        secret.managedFields?.filter { $0.manager == manager }.compactMap(\.time).max()
    }

    /// Who else has a hand in the data, or in the Secret at least; in order.
    func rivals(_ secret: ObjectMeta) -> [String] {
        let others = others(secret)
        let writers = others.filter(concernsUs)
        return Set((writers.isEmpty ? others : writers).map(\.manager)).sorted()
    }

    private func others(_ secret: ObjectMeta) -> [ManagedFields] {
        (secret.managedFields ?? []).filter { $0.manager != manager }
    }

    private func concernsUs(_ fields: ManagedFields) -> Bool {
        isWhole || fields.manager == manager ? !fields.data.isEmpty : !fields.data.isDisjoint(with: entries)
    }
}
