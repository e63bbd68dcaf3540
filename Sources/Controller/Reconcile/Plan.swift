import Envelope
import KubeClient
import Resources

/// What to do about one WrappedSecret. Decided from what is known, without I/O and without a key.
enum Plan: Sendable {
    /// Everything is as it should be.
    case nothing
    /// It is being deleted: nobody's business any more.
    case left
    /// Only the status has to say so.
    case suspend
    /// There is no Secret of this name as far as the watch can see.
    case create(Blueprint)
    /// Ours, or handed over to us; to be made equal to the blueprint.
    case update(Blueprint, current: ObjectMeta)
    /// Its data is what we wrote, and what the object says; only metadata has to follow. Needs no key.
    case relabel(Blueprint, current: ObjectMeta)
    /// It was made from a later generation than the one known here. To be updated only if the server knows no
    /// later one either: else it is our cache that is behind.
    case confirm(Blueprint, current: ObjectMeta)
    case refuse(Reason, message: String)
}

extension Plan {
    /// Whether the Secret is left alone on purpose.
    var isRestraint: Bool {
        switch self {
        case .suspend, .refuse, .left: true
        default: false
        }
    }

    /// Whether it undoes what somebody did to the Secret, if the object is the same as before.
    var repairs: Bool {
        switch self {
        case .create, .update, .relabel: true
        default: false
        }
    }

    /// Version of the rules that turn a blueprint into a Secret. A new version makes every Secret once more.
    static let renderVersion = 1

    /// - Parameters:
    ///   - secret: metadata of the Secret of the blueprint's name; nil when there is none that the watch or
    ///     a read has shown.
    ///   - status: what the last write left, which may be newer than what `object` carries.
    ///   - isOpened: whether this very envelope has been opened before, under whatever template.
    static func decide(
        _ object: WrappedSecret, secret: ObjectMeta?, status: WrappedSecretStatus?,
        rules: OperatorRules = OperatorRules(), isOpened: Bool = false
    ) -> Plan {
        // Under foreground deletion the collector takes the Secret first; making it again would undo that.
        guard object.metadata.deletionTimestamp == nil else { return .left }
        if object.spec.suspend == true { return .suspend }
        let blueprint: Blueprint
        do {
            blueprint = try Blueprint(object)
        } catch {
            return .refuse(error.reason, message: error.message)
        }
        if let refusal = rules.refusal(of: blueprint) {
            return .refuse(refusal.reason, message: refusal.message)
        }
        if let refusal = unsupported(object.spec) { return refusal }
        guard let secret, secret.deletionTimestamp == nil else { return .create(blueprint) }
        if let refusal = ownership(of: secret, for: object) { return refusal }
        if isFromLaterGeneration(secret, of: object) { return .confirm(blueprint, current: secret) }
        guard let made = status?.secret, isMade(made, of: object, as: secret),
            object.requestedSync == nil || object.requestedSync == status?.lastHandledSync,
            isIntact(secret, made, object, since: status?.lastSyncTime, isOpened: isOpened)
        else { return .update(blueprint, current: secret) }
        let changes = MetadataChanges(secret, to: blueprint, of: object, adding: rules.labels)
        let isSaid =
            made.generation == object.metadata.generation && status?.condition(.ready)?.status == "True"
        return isSaid && changes.isEmpty ? .nothing : .relabel(blueprint, current: secret)
    }

    /// What the schema has and this version does not do is refused, not half done.
    private static func unsupported(_ spec: WrappedSecretSpec) -> Plan? {
        func refusal(_ field: String) -> Plan {
            .refuse(.invalidSpec, message: "spec.\(field) is not supported by this version; remove it")
        }
        if spec.creationPolicy == "Merge" { return refusal("creationPolicy Merge") }
        if spec.keyRef != nil { return refusal("keyRef") }
        return spec.rolloutRestart?.isEmpty == false ? refusal("rolloutRestart") : nil
    }

    /// The last successful write made this Secret, under this name and these rules, of these values.
    private static func isMade(
        _ made: WrappedSecretStatus.SecretState, of object: WrappedSecret, as secret: ObjectMeta
    ) -> Bool {
        made.mac == object.spec.envelope.mac && made.name == object.secretName && made.uid == secret.uid
            && made.renderVersion == renderVersion
    }

    /// The data is what that write made of this very envelope. The same generation has the same one; another may
    /// have other recipients, which must be tried.
    private static func isIntact(
        _ secret: ObjectMeta, _ made: WrappedSecretStatus.SecretState, _ object: WrappedSecret,
        since time: String?, isOpened: Bool
    ) -> Bool {
        guard isOpened || made.generation == object.metadata.generation else { return false }
        return made.resourceVersion == secret.resourceVersion
            || DataOwnership.isOurs(secret, entries: object.spec.envelope.data.keys, since: time)
    }

    /// Nil when the Secret is ours to write. Ours is one that a WrappedSecret of this name owns, whatever
    /// its uid: a deleted and re-created object takes over what its predecessor made.
    private static func ownership(of secret: ObjectMeta, for object: WrappedSecret) -> Plan? {
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

    private static func isFromLaterGeneration(_ secret: ObjectMeta, of object: WrappedSecret) -> Bool {
        guard let source = Markers.source(of: secret), source.uid == object.metadata.uid else { return false }
        return source.generation > object.metadata.generation ?? 0
    }
}
