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

    /// Whether an earlier merge put our entries into this Secret. The status says so; after a restore, in which both
    /// objects get new uids and the API server forgets the field managers, our annotation on the Secret does.
    static func hasMerged(
        _ object: WrappedSecret, into secret: ObjectMeta, _ merger: Merger,
        _ made: WrappedSecretStatus.SecretState?
    ) -> Bool {
        if made?.uid == secret.uid && made?.mac == object.spec.envelope.mac { return true }
        return secret.annotations?[merger.source] != nil
            && secret.managedFields?.contains { $0.manager == merger.fieldManager } != true
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
            // Where these very entries were ours, another writer has overwritten them.
            guard let merger = blueprint.merger, !hasMerged(object, into: secret, merger, made),
                let conflict = MergeConflict(secret, blueprint)
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
