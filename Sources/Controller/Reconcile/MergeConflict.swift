import KubeClient
import Resources

/// Fields that we would add to somebody else's Secret, and that it has from others.
struct MergeConflict: Sendable {
    private let secret: String
    private let fields: Set<String>
    private let managers: Set<String>

    init(_ secret: ObjectMeta, _ fields: Set<String>, _ managers: Set<String>) {
        self.secret = secret.name
        self.fields = fields
        self.managers = managers
    }

    /// Of what is known before anything is sent; nil: nobody claims an entry that is not ours already.
    ///
    /// - Parameter ours: entries that are taken back from another writer.
    init?(_ secret: ObjectMeta, _ blueprint: DesiredSecret, except ours: Set<String>) {
        let claims = DataOwnership(of: blueprint).conflictingEntries(secret)
        let entries = claims.entries.subtracting(ours)
        guard !entries.isEmpty else { return nil }
        self.init(secret, Set(entries.map { ".data.\($0)" }), claims.managers)
    }

    var reason: Reason {
        managers.contains(where: MergeIdentity.isMergeManager) ? .ownedByAnother : .secretConflict
    }

    var message: String {
        let names = managers.map {
            MergeIdentity.isMergeManager(fieldManager: $0) ? "another WrappedSecret" : $0
        }
        return "Secret \(secret) has \(fields.sorted().joined(separator: ", ")) from "
            + "\(names.isEmpty ? "somebody else" : Set(names).sorted().joined(separator: ", ")) already; remove it there "
            + "or here"
    }
}
