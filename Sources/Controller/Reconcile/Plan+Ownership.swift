import Envelope
import KubeClient
import Resources

/// Whose a Secret is, and what that allows.
extension Plan {
    /// Nil when the Secret stays. One that goes has a finalizer: others are gone at once.
    static func departure(of secret: ObjectMeta) -> Plan? {
        guard secret.deletionTimestamp != nil else { return nil }
        return .refuse(
            .secretConflict,
            message:
                "Secret \(secret.name) is being deleted, and its finalizers keep it; the next one is made when it "
                + "is gone")
    }

    /// Blocks a Secret that belongs to another object, or to no WrappedSecret at all.
    static func ownership(
        of secret: ObjectMeta, for object: WrappedSecret, _ made: WrappedSecretStatus.SecretState?,
        _ proof: SecretProof?
    ) -> Plan? {
        guard
            case .blocked(let reason, let message) = SecretClaim(
                secret, for: object, made: made, proof: proof)
        else { return nil }
        return .refuse(reason, message: message)
    }

    /// Entries that an earlier merge put into this Secret, and that may be taken back from another writer. The annotation
    /// on the Secret names them: the status does not count, because a writer of it need not be one of the Secret. Before
    /// there was an annotation, the status was asked, where the API server remembers us.
    static func mergedEntries(
        of object: WrappedSecret, in secret: ObjectMeta, _ desired: Blueprint, _ merger: Merger,
        _ made: WrappedSecretStatus.SecretState?
    ) -> Set<String> {
        if let entries = merger.entries(in: secret) { return entries }
        guard made?.uid == secret.uid, made?.mac == object.spec.envelope.mac,
            secret.managedFields?.contains(where: { $0.manager == merger.fieldManager }) == true
        else { return [] }
        return Set(desired.envelope.entryNames)
    }

    /// Nil when the Secret takes our entries in. Whoever may write it says so; what a WrappedSecret makes it makes
    /// whole, so that the entries of another would not stay in it.
    ///
    /// - Parameter made: what the last successful write made.
    static func hospitality(
        of secret: ObjectMeta, for object: WrappedSecret, _ blueprint: Blueprint,
        _ made: WrappedSecretStatus.SecretState?
    ) -> Plan? {
        if let maker = Markers.owner(of: secret)?.name ?? Markers.maker(of: secret) {
            return .refuse(
                .ownedByAnother, message: mergeRefusal(of: secret, madeBy: maker, for: object))
        }
        guard secret.annotations?[Markers.allow] != "merge" else {
            guard let merger = blueprint.merger,
                let conflict = MergeConflict(
                    secret, blueprint, except: mergedEntries(of: object, in: secret, blueprint, merger, made))
            else {
                return nil
            }
            return .refuse(conflict.reason, message: conflict.message)
        }
        return .refuse(
            .secretConflict,
            message:
                "Secret \(secret.name) does not allow entries of ours; allow them: kubectl annotate secret -n "
                + "\(secret.namespace ?? "") \(secret.name) \(Markers.allow)=merge")
    }

    /// A Secret that a WrappedSecret owns is replaced whole, so that the entries of another would not stay in it.
    private static func mergeRefusal(
        of secret: ObjectMeta, madeBy maker: String, for object: WrappedSecret
    ) -> String {
        guard maker == object.metadata.name else {
            return
                "Secret \(secret.name) is owned by WrappedSecret \(maker); creationPolicy Merge requires a Secret "
                + "that no WrappedSecret owns: set another spec.template.metadata.name"
        }
        let namespace = secret.namespace ?? ""
        return
            "Secret \(secret.name) was made whole by this WrappedSecret, under another creationPolicy; set that "
            + "again, set another spec.template.metadata.name, or release the Secret: "
            + "kubectl annotate secret -n \(namespace) \(secret.name) \(Markers.wrappedSecret)- "
            + "\(Markers.creationPolicy)- \(Markers.allow)=merge && kubectl patch secret -n \(namespace) "
            + "\(secret.name) --type=merge -p '{\"metadata\":{\"ownerReferences\":null}}'"
    }
}
