import Envelope
import KubeClient
import Resources
import System

/// Reads from `managedFields` which manager set which entry of a Secret, and when. The resourceVersion is not enough:
/// any new label changes it, and a new encryption key of etcd changes it for every Secret at once.
struct FieldOwnership: Sendable {
    private let manager: String
    /// True if the whole Secret is ours, and not only the entries that are merged into it.
    private let ownsAllEntries: Bool
    private let entries: Set<String>

    init(of desired: DesiredSecret) {
        manager = desired.fieldManager
        ownsAllEntries = desired.mergeIdentity == nil
        entries = Set(desired.keys)
    }

    /// Returns whether `managedFields` show no change of the data since our last write: each desired entry still has a
    /// manager, and no other manager has set an entry, or `immutable`, since then. This proves nothing, because a
    /// writer of the Secret can set `managedFields` as well.
    ///
    /// - Parameter time: the time of our last write, by the API server's clock.
    func appearsUnchanged(_ secret: ObjectMeta, since time: String?) -> Bool {
        guard let time, lastWriteTime(secret) == time else { return false }
        let others = others(secret)
        let managed = others.reduce(into: Set(ours(secret).joined())) { $0.formUnion($1.data) }
        return entries.isSubset(of: managed)
            && others.allSatisfy { $0.time.map { $0 < time } == true || !affectsData($0) }
    }

    private func affectsData(_ fields: ManagedFieldsEntry) -> Bool {
        ownsAllEntries ? !fields.data.isEmpty || fields.ownsImmutable : !fields.data.isDisjoint(with: entries)
    }

    /// Returns the time of our last write, by the API server's clock.
    func lastWriteTime(_ secret: ObjectMeta) -> String? {
        // The times have one format, in which they sort as text.
        secret.managedFields?.filter { $0.manager == manager }.compactMap(\.time).max()
    }

    /// Returns the desired entries that other managers have and we do not, and those managers. A manager that
    /// overwrites a value becomes its only one; an entry with several managers has one value that all of them set.
    func conflictingEntries(_ secret: ObjectMeta) -> (entries: Set<String>, managers: Set<String>) {
        let wanted = entries.subtracting(ours(secret).joined())
        // Our general field manager wrote entries while a WrappedSecret owned the Secret. None does any more: otherwise
        // nothing could be merged into it.
        let conflicting = others(secret).filter {
            !$0.data.isDisjoint(with: wanted) && (ownsAllEntries || $0.manager != KubeClient.fieldManager)
        }
        let names = conflicting.reduce(into: Set<String>()) { $0.formUnion($1.data.intersection(wanted)) }
        return (names, Set(conflicting.map(\.manager)))
    }

    /// Returns the other managers of the data, or of anything else in the Secret if the data has no others; sorted.
    func otherManagers(_ secret: ObjectMeta) -> [String] {
        let others = others(secret)
        let writers = others.filter {
            ownsAllEntries ? !$0.data.isEmpty : !$0.data.isDisjoint(with: entries)
        }
        return Set((writers.isEmpty ? others : writers).map(\.manager)).sorted()
    }

    private func others(_ secret: ObjectMeta) -> [ManagedFieldsEntry] {
        (secret.managedFields ?? []).filter { $0.manager != manager }
    }

    /// Returns the entries that we manage. There can be several lists of them after a new version of the API.
    private func ours(_ secret: ObjectMeta) -> [Set<String>] {
        (secret.managedFields ?? []).filter { $0.manager == manager && !$0.data.isEmpty }.map(\.data)
    }
}

/// Fields that a merge would add to a Secret, and that other managers have set.
struct MergeConflict: Sendable {
    private let secret: String
    private let fields: Set<String>
    private let managers: Set<String>

    /// - Parameter fields: in the API server's notation.
    init(_ secret: ObjectMeta, _ fields: Set<String>, _ managers: Set<String>) {
        self.secret = secret.name
        self.fields = fields
        self.managers = managers
    }

    /// Detects a conflict before a request is sent.
    ///
    /// - Parameter merged: entries of an earlier merge, which are taken back from other managers.
    init?(_ secret: ObjectMeta, _ desired: DesiredSecret, except merged: Set<String>) {
        let conflicts = FieldOwnership(of: desired).conflictingEntries(secret)
        let entries = conflicts.entries.subtracting(merged)
        guard !entries.isEmpty else { return nil }
        self.init(secret, Set(entries.map { ".data.\($0)" }), conflicts.managers)
    }

    var blocked: Blocked {
        let names = managers.map {
            MergeIdentity.isMergeManager(fieldManager: $0) ? "another WrappedSecret" : $0
        }
        let others =
            names.isEmpty ? "another field manager" : Set(names).sorted().listed(limit: 4, bytes: 128)
        return Blocked(
            managers.contains(where: MergeIdentity.isMergeManager) ? .ownedByAnother : .secretConflict,
            "Secret \(secret): \(fields.sorted().listed(bytes: 128)) is managed by \(others); remove it from one of "
                + "the two")
    }
}
