import Envelope
import KubeClient
import Resources

/// What to do about one WrappedSecret. Decided from what is known, without I/O and without a key.
enum SyncPlan: Sendable {
    /// Everything is as it should be.
    case inSync
    /// It is being deleted: nobody's business any more.
    case skipDeleting
    /// Only the status has to say so.
    case suspend
    /// There is no Secret of this name as far as the watch can see.
    case create(DesiredSecret)
    /// The same, of a Secret that somebody else has to make. The watch does not see it before we have marked it.
    case findMergeTarget(DesiredSecret)
    /// Ours, or handed over to us; to be made equal to the blueprint.
    case update(DesiredSecret, current: ObjectMeta)
    /// Its data is what we wrote, and what the object says; only metadata has to follow. Needs no key.
    case updateMetadata(DesiredSecret, current: ObjectMeta)
    /// The Secret has changed since its data was proved: read the data and compare it. Needs no key.
    case compareData(DesiredSecret, current: ObjectMeta, VerifiedData)
    /// The Secret has changed while no controller watched it, and nothing looks wrong: verify the data by writing it again, in the
    /// background.
    case verifyByWriting(DesiredSecret, current: ObjectMeta)
    /// The data was proved for a version of the Secret that the status does not know.
    case recordVerification(DesiredSecret, current: ObjectMeta)
    /// The Secret is as it should be, and the status does not say so: a failure is over, or another writer has changed it.
    case updateStatus(DesiredSecret, current: ObjectMeta)
    /// It was made from a later generation than the one known here. To be updated only if the server knows no
    /// later one either: else it is our cache that is behind.
    case verifyCacheIsCurrent(DesiredSecret, current: ObjectMeta)
    case block(Reason, message: String)
}

extension SyncPlan {
    /// Whether the Secret is left alone on purpose.
    var leavesSecretUntouched: Bool {
        switch self {
        case .suspend, .block, .skipDeleting: true
        default: false
        }
    }

    /// Whether it undoes what somebody did to the Secret, if the object is the same as before.
    var correctsDrift: Bool {
        switch self {
        case .create, .findMergeTarget, .update, .verifyByWriting, .updateMetadata, .verifyCacheIsCurrent:
            true
        default: false
        }
    }

    /// Whether it writes the status alone.
    var writesStatusOnly: Bool {
        switch self {
        case .recordVerification, .updateStatus: true
        default: false
        }
    }

    /// What the Secret is to become, where that is to be brought about.
    var desired: DesiredSecret? {
        switch self {
        case .create(let blueprint), .findMergeTarget(let blueprint), .update(let blueprint, _),
            .updateMetadata(let blueprint, _), .compareData(let blueprint, _, _),
            .verifyByWriting(let blueprint, _),
            .recordVerification(let blueprint, _), .updateStatus(let blueprint, _),
            .verifyCacheIsCurrent(let blueprint, _):
            blueprint
        case .inSync, .skipDeleting, .suspend, .block: nil
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
        rules: OperatorPolicy = OperatorPolicy(), isOpened: Bool = false, proof: VerifiedData? = nil,
        isStatusForeign: Bool = false
    ) -> SyncPlan {
        // Under foreground deletion the collector takes the Secret first; making it again would undo that.
        guard object.metadata.deletionTimestamp == nil else { return .skipDeleting }
        if object.spec.suspend == true { return .suspend }
        let blueprint: DesiredSecret
        do {
            blueprint = try DesiredSecret(object)
        } catch {
            return .block(error.reason, message: error.message)
        }
        if let refusal = rules.violation(of: blueprint) {
            return .block(refusal.reason, message: refusal.message)
        }
        guard object.spec.keyRef == nil else {
            return .block(.invalidSpec, message: "spec.keyRef is not supported by this version; remove it")
        }
        guard let secret else {
            return blueprint.mergeIdentity == nil ? .create(blueprint) : .findMergeTarget(blueprint)
        }
        let refusal =
            blueprint.mergeIdentity == nil
            ? checkOwnership(of: secret, for: object, status?.secret, proof)
            : checkMergeAllowed(of: secret, for: object, blueprint, status?.secret)
        if let refusal = checkNotTerminating(of: secret) ?? refusal { return refusal }
        if isFromLaterGeneration(secret, of: object, blueprint.mergeIdentity) {
            return .verifyCacheIsCurrent(blueprint, current: secret)
        }
        guard let status, let made = status.secret, isMade(made, of: object, as: secret),
            object.requestedSync == nil || object.requestedSync == status.lastHandledSync,
            // The same generation has the same recipients; those of another one must be tried.
            isOpened || made.generation == object.metadata.generation
        else { return .update(blueprint, current: secret) }
        switch DataEvidence(secret, made, blueprint, proof, lastSync: status.lastSyncTime) {
        case .unchanged: break
        case .versionMoved(let proof): return .compareData(blueprint, current: secret, proof)
        case .unknown: return .verifyByWriting(blueprint, current: secret)
        case .likelyChanged: return .update(blueprint, current: secret)
        }
        let changes = MetadataChanges(secret, to: blueprint, of: object, adding: rules.labels)
        guard made.generation == object.metadata.generation, changes.isEmpty else {
            // What is applied is applied whole: a label without the values would take the values away.
            return blueprint.mergeIdentity == nil
                ? .updateMetadata(blueprint, current: secret) : .update(blueprint, current: secret)
        }
        guard !isStatusForeign, StatusUpdate.isCurrent(status, of: object) else {
            return .updateStatus(blueprint, current: secret)
        }
        return made.resourceVersion == secret.resourceVersion
            ? .inSync : .recordVerification(blueprint, current: secret)
    }

    /// The last successful write made this Secret, under this name and these rules, of these values.
    private static func isMade(
        _ made: WrappedSecretStatus.SecretState, of object: WrappedSecret, as secret: ObjectMeta
    ) -> Bool {
        made.mac == object.spec.envelope.mac && made.name == object.secretName && made.uid == secret.uid
            && made.renderVersion == renderVersion
    }

    private static func isFromLaterGeneration(
        _ secret: ObjectMeta, of object: WrappedSecret, _ merger: MergeIdentity?
    ) -> Bool {
        guard
            let source = OwnershipMetadata.source(
                of: secret, merger?.sourceAnnotation ?? OwnershipMetadata.sourceAnnotation),
            source.uid == object.metadata.uid
        else { return false }
        return source.generation > object.metadata.generation ?? 0
    }
}
