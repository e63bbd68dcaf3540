import Envelope
import KubeClient
import Resources

/// Whose a Secret is, and what that allows.
extension SyncPlan {
    /// Nil when the Secret stays. One that goes has a finalizer: others are gone at once.
    static func checkNotTerminating(of secret: ObjectMeta) -> SyncPlan? {
        guard secret.deletionTimestamp != nil else { return nil }
        return .block(
            .secretConflict,
            message:
                "Secret \(secret.name) is being deleted, and its finalizers keep it; the next one is made when it "
                + "is gone")
    }

    /// Blocks a Secret that belongs to another object, or to no WrappedSecret at all.
    static func checkOwnership(
        of secret: ObjectMeta, for object: WrappedSecret, _ made: WrappedSecretStatus.SecretState?,
        _ proof: VerifiedData?
    ) -> SyncPlan? {
        guard
            case .blocked(let reason, let message) = SecretOwnership(
                secret, for: object, made: made, proof: proof)
        else { return nil }
        return .block(reason, message: message)
    }

    /// Entries that an earlier merge put into this Secret, and that may be taken back from another writer. The annotation
    /// on the Secret names them: the status does not count, because a writer of it need not be one of the Secret. Before
    /// there was an annotation, the status was asked, where the API server remembers us.
    static func previouslyMergedEntries(
        of object: WrappedSecret, in secret: ObjectMeta, _ desired: DesiredSecret, _ merger: MergeIdentity,
        _ made: WrappedSecretStatus.SecretState?
    ) -> Set<String> {
        if let entries = merger.recordedEntries(in: secret) { return entries }
        guard made?.uid == secret.uid, made?.mac == object.spec.envelope.mac,
            secret.managedFields?.contains(where: { $0.manager == merger.fieldManager }) == true
        else { return [] }
        return Set(desired.envelope.entryNames)
    }

    /// Nil when the Secret takes our entries in. Whoever may write it says so; what a WrappedSecret makes it makes
    /// whole, so that the entries of another would not stay in it.
    ///
    /// - Parameter made: what the last successful write made.
    static func checkMergeAllowed(
        of secret: ObjectMeta, for object: WrappedSecret, _ blueprint: DesiredSecret,
        _ made: WrappedSecretStatus.SecretState?
    ) -> SyncPlan? {
        if let maker = OwnershipMetadata.owner(of: secret)?.name
            ?? OwnershipMetadata.wrappedSecretName(of: secret)
        {
            return .block(
                .ownedByAnother, message: mergeRefusal(of: secret, madeBy: maker, for: object))
        }
        guard secret.annotations?[OwnershipMetadata.allowAnnotation] != "merge" else {
            guard let merger = blueprint.mergeIdentity,
                let conflict = MergeConflict(
                    secret, blueprint,
                    except: previouslyMergedEntries(of: object, in: secret, blueprint, merger, made))
            else {
                return nil
            }
            return .block(conflict.reason, message: conflict.message)
        }
        return .block(
            .secretConflict,
            message:
                "Secret \(secret.name) does not allow entries of ours; allow them: kubectl annotate secret -n "
                + "\(secret.namespace ?? "") \(secret.name) \(OwnershipMetadata.allowAnnotation)=merge")
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
            + "kubectl annotate secret -n \(namespace) \(secret.name) \(OwnershipMetadata.wrappedSecretAnnotation)- "
            + "\(OwnershipMetadata.creationPolicyAnnotation)- \(OwnershipMetadata.allowAnnotation)=merge && kubectl patch secret -n \(namespace) "
            + "\(secret.name) --type=merge -p '{\"metadata\":{\"ownerReferences\":null}}'"
    }
}
