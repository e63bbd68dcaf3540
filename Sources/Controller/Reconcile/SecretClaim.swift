import KubeClient
import Resources

/// Whose a Secret is, as far as a WrappedSecret with policy Owner or Orphan is concerned.
enum SecretOwnership: Sendable {
    /// The Secret was made from a WrappedSecret of this name.
    case owned
    /// Someone who may write the Secret has annotated it `secrets-bridge.io/allow: adopt`. Used up by the adoption.
    case adoptable
    case blocked(Reason, message: String)
}

extension SecretOwnership {
    /// Decides by what proves that the Secret was ours, in this order: an owner reference to a WrappedSecret of this name,
    /// whatever its uid, so that a re-created object takes over what its predecessor made; our annotation, which outlives
    /// the owner reference (`kubectl delete --cascade=orphan`, a restore); and the uid that the last successful write left
    /// in the status, if the process or `managedFields` remember that write too (`kubectl replace` drops everything else).
    ///
    /// - Parameters:
    ///   - made: what the status says of the last successful write.
    ///   - proof: what this process remembers of the Secret's data.
    init(
        _ secret: ObjectMeta, for object: WrappedSecret, made: WrappedSecretStatus.SecretState?,
        proof: VerifiedData?
    ) {
        if let owner = OwnershipMetadata.owner(of: secret) {
            self = owner.name == object.metadata.name ? .owned : .blocked(owner: owner.name, of: secret)
            return
        }
        if let controller = OwnershipMetadata.controller(of: secret) {
            self = .blocked(controller: controller, of: secret)
            return
        }
        let maker = OwnershipMetadata.wrappedSecretName(of: secret)
        if maker == object.metadata.name {
            self = .owned
        } else if let maker {
            // The annotation `allow` never overrides a maker: it may be a leftover of an earlier adoption.
            self = .blocked(maker: maker, of: secret)
        } else if made?.uid == secret.uid, made?.name == secret.name,
            proof?.uid == secret.uid || OwnershipMetadata.managesFields(secret)
        {
            self = .owned
        } else if secret.annotations?[OwnershipMetadata.allowAnnotation] == OwnershipMetadata.adoptValue {
            self = .adoptable
        } else {
            self = .blocked(
                .secretConflict,
                message:
                    "Secret \(secret.name) exists and was not made from this WrappedSecret; delete it, or "
                    + "hand it over: \(Self.command(secret, "\(OwnershipMetadata.allowAnnotation)=\(OwnershipMetadata.adoptValue)"))"
            )
        }
    }

    private static func blocked(owner: String, of secret: ObjectMeta) -> SecretOwnership {
        .blocked(
            .ownedByAnother,
            message: "Secret \(secret.name) belongs to WrappedSecret \(owner); set another "
                + "spec.template.metadata.name in one of the two, or delete WrappedSecret \(owner)")
    }

    private static func blocked(controller: OwnerReference, of secret: ObjectMeta) -> SecretOwnership {
        let belongs = "Secret \(secret.name) belongs to \(controller.kind) \(controller.name); "
        guard controller.kind == "SealedSecret" else {
            return .blocked(
                .ownedByAnother, message: belongs + "choose another spec.template.metadata.name")
        }
        return .blocked(
            .ownedByAnother,
            message: belongs + "to hand it over: kubectl delete sealedsecret -n \(secret.namespace ?? "") "
                + "\(controller.name) --cascade=orphan, then "
                + "\(command(secret, "\(OwnershipMetadata.allowAnnotation)=\(OwnershipMetadata.adoptValue)"))"
        )
    }

    private static func blocked(maker: String, of secret: ObjectMeta) -> SecretOwnership {
        let release =
            "\(OwnershipMetadata.wrappedSecretAnnotation)- \(OwnershipMetadata.creationPolicyAnnotation)- \(OwnershipMetadata.allowAnnotation)=\(OwnershipMetadata.adoptValue)"
        return .blocked(
            .ownedByAnother,
            message: "Secret \(secret.name) was made by WrappedSecret \(maker); set another "
                + "spec.template.metadata.name in one of the two, delete the Secret, or delete WrappedSecret "
                + "\(maker) and hand the Secret over: \(command(secret, release))")
    }

    private static func command(_ secret: ObjectMeta, _ annotations: String) -> String {
        "kubectl annotate secret -n \(secret.namespace ?? "") \(secret.name) \(annotations)"
    }
}
