import KubeClient
import Resources

/// The owner of a Secret, from the view of a WrappedSecret with the creationPolicy Owner or Orphan.
enum SecretOwnership: Sendable {
    /// The Secret was created from a WrappedSecret of this name.
    case owned
    /// A user who may write the Secret has annotated it `secrets-bridge.io/allow: adopt`. The adoption removes that.
    case adoptable
    case blocked(Blocked)

    /// Looks for proof that the Secret was created from the object, in this order:
    ///
    /// 1. an owner reference to a WrappedSecret of this name, whatever its uid, so that a recreated object takes over
    ///    what its predecessor created;
    /// 2. our annotation, which outlives the owner reference (`kubectl delete --cascade=orphan`, a restore);
    /// 3. the uid that the last successful write left in the status, if this process or `managedFields` know of that
    ///    write too (`kubectl replace` drops everything else).
    ///
    /// - Parameters:
    ///   - state: the last successful write, from the status.
    ///   - verified: what this process knows of the Secret's data.
    init(
        of secret: ObjectMeta, for object: WrappedSecret, state: WrappedSecretStatus.SecretState?,
        verified: VerifiedData?
    ) {
        if let owner = OwnershipMetadata.owner(of: secret) {
            self = owner.name == object.metadata.name ? .owned : .blocked(Self.owned(secret, by: owner.name))
            return
        }
        if let controller = OwnershipMetadata.controller(of: secret) {
            self = .blocked(Self.controlled(secret, by: controller))
            return
        }
        let creator = OwnershipMetadata.wrappedSecretName(of: secret)
        if creator == object.metadata.name {
            self = .owned
        } else if let creator {
            // The annotation `allow` never overrides a creator: it may be left from an earlier adoption.
            self = .blocked(Self.created(secret, by: creator))
        } else if state?.uid == secret.uid, state?.name == secret.name,
            verified?.uid == secret.uid && verified?.isWholeSecret == true
                || OwnershipMetadata.managesFields(secret)
        {
            self = .owned
        } else if secret.annotations?[OwnershipMetadata.allowAnnotation] == OwnershipMetadata.adoptValue {
            self = .adoptable
        } else {
            self = .blocked(
                Blocked(
                    .secretConflict,
                    "Secret \(secret.name) exists and was not created by this WrappedSecret; delete it, or hand it over: "
                        + Self.annotate(secret, Self.allowAdoption)))
        }
    }

    private static let allowAdoption = "\(OwnershipMetadata.allowAnnotation)=\(OwnershipMetadata.adoptValue)"

    private static func owned(_ secret: ObjectMeta, by owner: String) -> Blocked {
        Blocked(
            .ownedByAnother,
            "Secret \(secret.name) is owned by WrappedSecret \(owner); set another spec.template.metadata.name in one of "
                + "the two, or delete WrappedSecret \(owner)")
    }

    private static func controlled(_ secret: ObjectMeta, by controller: OwnerReference) -> Blocked {
        let owned = "Secret \(secret.name) is owned by \(controller.kind) \(controller.name); "
        guard controller.kind == "SealedSecret" else {
            return Blocked(.ownedByAnother, owned + "set another spec.template.metadata.name")
        }
        return Blocked(
            .ownedByAnother,
            owned
                + "to hand it over: kubectl delete sealedsecret -n \(secret.namespace ?? "") \(controller.name) "
                + "--cascade=orphan, then " + annotate(secret, allowAdoption))
    }

    private static func created(_ secret: ObjectMeta, by creator: String) -> Blocked {
        let release =
            "\(OwnershipMetadata.wrappedSecretAnnotation)- \(OwnershipMetadata.creationPolicyAnnotation)- \(allowAdoption)"
        return Blocked(
            .ownedByAnother,
            "Secret \(secret.name) was created by WrappedSecret \(creator); set another spec.template.metadata.name in one "
                + "of the two, delete the Secret, or delete WrappedSecret \(creator) and hand the Secret over: "
                + annotate(secret, release))
    }

    private static func annotate(_ secret: ObjectMeta, _ annotations: String) -> String {
        "kubectl annotate secret -n \(secret.namespace ?? "") \(secret.name) \(annotations)"
    }
}
