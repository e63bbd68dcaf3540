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

    /// Nil when the Secret is ours to write. Ours is one that a WrappedSecret of this name owns, whatever
    /// its uid: a deleted and re-created object takes over what its predecessor made.
    static func ownership(of secret: ObjectMeta, for object: WrappedSecret) -> Plan? {
        if let owner = Markers.owner(of: secret) {
            guard owner.name != object.metadata.name else { return nil }
            return .refuse(
                .ownedByAnother,
                message: "Secret \(secret.name) belongs to WrappedSecret \(owner.name); give one of the two "
                    + "another spec.template.metadata.name, or delete WrappedSecret \(owner.name)")
        }
        if let controller = Markers.controller(of: secret) {
            return .refuse(
                .ownedByAnother,
                message: "Secret \(secret.name) belongs to \(controller.kind) \(controller.name); choose "
                    + "another spec.template.metadata.name")
        }
        let maker = Markers.maker(ofOrphan: secret)
        guard maker != object.metadata.name, secret.annotations?[Markers.allow] != "adopt" else { return nil }
        let handOver =
            "kubectl annotate secret -n \(secret.namespace ?? "") \(secret.name) \(Markers.allow)=adopt"
        if let maker {
            return .refuse(
                .ownedByAnother,
                message:
                    "Secret \(secret.name) was made by WrappedSecret \(maker); give one of the two another "
                    + "spec.template.metadata.name, delete the Secret, or hand it over: \(handOver)")
        }
        return .refuse(
            .secretConflict,
            message: "Secret \(secret.name) exists and was not made from this WrappedSecret; delete it, or "
                + "hand it over: \(handOver)")
    }

    /// Nil when the Secret takes our entries in. Whoever may write it says so; what a WrappedSecret makes it makes
    /// whole, so that the entries of another would not stay in it.
    static func hospitality(of secret: ObjectMeta, for object: WrappedSecret) -> Plan? {
        if let maker = Markers.owner(of: secret)?.name ?? Markers.maker(ofOrphan: secret) {
            return .refuse(
                .ownedByAnother,
                message:
                    "Secret \(secret.name) is made by WrappedSecret \(maker), whole; creationPolicy Merge adds to "
                    + "Secrets that somebody else makes")
        }
        guard secret.annotations?[Markers.allow] != "merge" else { return nil }
        return .refuse(
            .secretConflict,
            message:
                "Secret \(secret.name) does not allow entries of ours; allow them: kubectl annotate secret -n "
                + "\(secret.namespace ?? "") \(secret.name) \(Markers.allow)=merge")
    }
}
