import Envelope
import KubeClient
import Resources

/// The conditions under which a WrappedSecret is not synced.
extension SyncPlan {
    /// In the order in which they are evaluated; the first that blocks is reported.
    static let checks: [@Sendable (SyncInput, DesiredSecret) -> Blocked?] = [
        checkOperatorPolicy, checkKeyReference, checkMergeTargetExists, checkNotTerminating, checkOwnership,
        checkMergeAllowed,
    ]

    /// Blocks what the operator of the controller does not allow.
    @Sendable static func checkOperatorPolicy(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        input.policy.violation(of: desired)
    }

    /// Blocks an object whose provider does not exist, is not ready, or does not allow the namespace.
    @Sendable static func checkKeyReference(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        guard case .failure(let error)? = input.provider else { return nil }
        return Blocked(error.reason, error.message)
    }

    /// Blocks a merge into a Secret that does not exist.
    @Sendable static func checkMergeTargetExists(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        guard desired.mergeIdentity != nil, input.current == nil, input.isCurrentRead else { return nil }
        return Blocked(
            .secretMissing,
            "Secret \(desired.name) does not exist; creationPolicy Merge adds entries to a Secret that another writer "
                + "creates and annotates \(OwnershipMetadata.allowAnnotation)=merge")
    }

    /// Blocks while the Secret is terminating because a finalizer holds it.
    @Sendable static func checkNotTerminating(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        guard let secret = input.current, secret.deletionTimestamp != nil else { return nil }
        return Blocked(
            .secretConflict,
            "Secret \(secret.name) is terminating; it is recreated once its finalizers complete")
    }

    /// Blocks a Secret that another object owns, or that no WrappedSecret created.
    @Sendable static func checkOwnership(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        guard desired.mergeIdentity == nil, let secret = input.current,
            case .blocked(let blocked) = SecretOwnership(
                of: secret, for: input.object, state: input.status?.secret, verified: input.verifiedData)
        else { return nil }
        return blocked
    }

    /// Blocks a merge into a Secret that a WrappedSecret owns, that does not allow it, or whose entries of the same
    /// names are managed by others.
    @Sendable static func checkMergeAllowed(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        guard let identity = desired.mergeIdentity, let secret = input.current else { return nil }
        if let owner = OwnershipMetadata.owner(of: secret)?.name
            ?? OwnershipMetadata.wrappedSecretName(of: secret)
        {
            return Blocked(.ownedByAnother, ownedSecretMessage(secret, ownedBy: owner, input.object))
        }
        guard secret.annotations?[OwnershipMetadata.allowAnnotation] == "merge" else {
            return Blocked(
                .secretConflict,
                "Secret \(secret.name) does not allow merges; allow them: kubectl annotate secret -n "
                    + "\(secret.namespace ?? "") \(secret.name) \(OwnershipMetadata.allowAnnotation)=merge")
        }
        let merged = previouslyMergedEntries(
            of: input.object, in: secret, desired, identity, input.status?.secret)
        return MergeConflict(secret, desired, except: merged)?.blocked
    }

    /// A Secret that a WrappedSecret owns is replaced as a whole, so that merged entries would not stay in it.
    private static func ownedSecretMessage(
        _ secret: ObjectMeta, ownedBy owner: String, _ object: WrappedSecret
    ) -> String {
        guard owner == object.metadata.name else {
            return
                "Secret \(secret.name) is owned by WrappedSecret \(owner); creationPolicy Merge requires a Secret "
                + "that no WrappedSecret owns: set another spec.template.metadata.name"
        }
        let namespace = secret.namespace ?? ""
        return
            "Secret \(secret.name) was created by this WrappedSecret under another creationPolicy; restore that "
            + "creationPolicy, set another spec.template.metadata.name, or release the Secret: "
            + "kubectl annotate secret -n \(namespace) \(secret.name) \(OwnershipMetadata.wrappedSecretAnnotation)- "
            + "\(OwnershipMetadata.creationPolicyAnnotation)- \(OwnershipMetadata.allowAnnotation)=merge && "
            + "kubectl patch secret -n \(namespace) \(secret.name) --type=merge "
            + "-p '{\"metadata\":{\"ownerReferences\":null}}'"
    }

    /// Returns the entries that an earlier merge wrote, and that may be taken back from another manager. An annotation
    /// of the Secret lists them. The status does not count, because who may write it may not be allowed to write the
    /// Secret. It decides only for Secrets without that annotation, where `managedFields` lists our field manager.
    static func previouslyMergedEntries(
        of object: WrappedSecret, in secret: ObjectMeta, _ desired: DesiredSecret, _ identity: MergeIdentity,
        _ state: WrappedSecretStatus.SecretState?
    ) -> Set<String> {
        if let entries = identity.recordedEntries(in: secret) { return entries }
        guard state?.uid == secret.uid, state?.mac == object.spec.envelope.mac,
            secret.managedFields?.contains(where: { $0.manager == identity.fieldManager }) == true
        else { return [] }
        return Set(state?.templateHash == desired.templates.hash ? desired.keys : desired.envelope.entryNames)
    }
}
