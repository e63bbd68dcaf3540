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
    /// The same, of a Secret that somebody else has to make. The watch does not see it before we have marked it.
    case seek(Blueprint)
    /// Ours, or handed over to us; to be made equal to the blueprint.
    case update(Blueprint, current: ObjectMeta)
    /// Its data is what we wrote, and what the object says; only metadata has to follow. Needs no key.
    case relabel(Blueprint, current: ObjectMeta)
    /// The Secret has changed since its data was proved: read the data and compare it. Needs no key.
    case verify(Blueprint, current: ObjectMeta, SecretProof)
    /// The Secret has changed while no controller watched it, and nothing looks wrong: verify the data by writing it again, in the
    /// background.
    case verifyByWriting(Blueprint, current: ObjectMeta)
    /// The data was proved for a version of the Secret that the status does not know.
    case recordProof(Blueprint, current: ObjectMeta)
    /// The Secret is as it should be, and the status does not say so: a failure is over, or another writer has changed it.
    case updateStatus(Blueprint, current: ObjectMeta)
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
        case .create, .seek, .update, .verifyByWriting, .relabel, .confirm: true
        default: false
        }
    }

    /// Whether it writes the status alone.
    var isAboutTheStatus: Bool {
        switch self {
        case .recordProof, .updateStatus: true
        default: false
        }
    }

    /// What the Secret is to become, where that is to be brought about.
    var blueprint: Blueprint? {
        switch self {
        case .create(let blueprint), .seek(let blueprint), .update(let blueprint, _),
            .relabel(let blueprint, _), .verify(let blueprint, _, _), .verifyByWriting(let blueprint, _),
            .recordProof(let blueprint, _), .updateStatus(let blueprint, _), .confirm(let blueprint, _):
            blueprint
        case .nothing, .left, .suspend, .refuse: nil
        }
    }

    /// Version of the rules that turn a blueprint into a Secret. A new version makes every Secret once more.
    static let renderVersion = 1

    /// - Parameters:
    ///   - secret: metadata of the Secret of the blueprint's name; nil when there is none that the watch or
    ///     a read has shown.
    ///   - status: what the last write left, which may be newer than what `object` carries.
    ///   - isOpened: whether this very envelope has been opened before, under whatever template.
    ///   - proof: what this process knows of the Secret's data.
    ///   - isStatusForeign: whether another writer has changed the status since this process wrote it.
    static func decide(
        _ object: WrappedSecret, secret: ObjectMeta?, status: WrappedSecretStatus?,
        rules: OperatorRules = OperatorRules(), isOpened: Bool = false, proof: SecretProof? = nil,
        isStatusForeign: Bool = false
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
        guard object.spec.keyRef == nil else {
            return .refuse(.invalidSpec, message: "spec.keyRef is not supported by this version; remove it")
        }
        guard let secret else { return blueprint.merger == nil ? .create(blueprint) : .seek(blueprint) }
        let refusal =
            blueprint.merger == nil
            ? ownership(of: secret, for: object, status?.secret, proof)
            : hospitality(of: secret, for: object, blueprint, status?.secret)
        if let refusal = departure(of: secret) ?? refusal { return refusal }
        if isFromLaterGeneration(secret, of: object, blueprint.merger) {
            return .confirm(blueprint, current: secret)
        }
        guard let status, let made = status.secret, isMade(made, of: object, as: secret),
            object.requestedSync == nil || object.requestedSync == status.lastHandledSync,
            // The same generation has the same recipients; those of another one must be tried.
            isOpened || made.generation == object.metadata.generation
        else { return .update(blueprint, current: secret) }
        switch DataEvidence(secret, made, blueprint, proof, lastSync: status.lastSyncTime) {
        case .intact: break
        case .moved(let proof): return .verify(blueprint, current: secret, proof)
        case .unknown: return .verifyByWriting(blueprint, current: secret)
        case .changed: return .update(blueprint, current: secret)
        }
        let changes = MetadataChanges(secret, to: blueprint, of: object, adding: rules.labels)
        guard made.generation == object.metadata.generation, changes.isEmpty else {
            // What is applied is applied whole: a label without the values would take the values away.
            return blueprint.merger == nil
                ? .relabel(blueprint, current: secret) : .update(blueprint, current: secret)
        }
        guard !isStatusForeign, StatusUpdate.isCurrent(status, of: object) else {
            return .updateStatus(blueprint, current: secret)
        }
        return made.resourceVersion == secret.resourceVersion
            ? .nothing : .recordProof(blueprint, current: secret)
    }

    /// The last successful write made this Secret, under this name and these rules, of these values.
    private static func isMade(
        _ made: WrappedSecretStatus.SecretState, of object: WrappedSecret, as secret: ObjectMeta
    ) -> Bool {
        made.mac == object.spec.envelope.mac && made.name == object.secretName && made.uid == secret.uid
            && made.renderVersion == renderVersion
    }

    private static func isFromLaterGeneration(
        _ secret: ObjectMeta, of object: WrappedSecret, _ merger: Merger?
    ) -> Bool {
        guard let source = Markers.source(of: secret, merger?.source ?? Markers.source),
            source.uid == object.metadata.uid
        else { return false }
        return source.generation > object.metadata.generation ?? 0
    }
}
