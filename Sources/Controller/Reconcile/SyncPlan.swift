import Envelope
import KubeClient
import Resources

/// Everything that a decision about one WrappedSecret depends on.
struct SyncInput: Sendable {
    /// The result of comparing the Secret's data with `verifiedData`.
    enum Comparison: Sendable {
        case equal
        case different
        /// The Secret is larger than any that this controller writes.
        case tooLarge
    }

    var object: WrappedSecret
    /// The newest status that this process knows: the one that it wrote last, or that of `object`.
    var status: WrappedSecretStatus?
    var policy = OperatorPolicy()
    /// The key of `spec.keyRef`, or why it cannot be used. Nil for the controller's own keys.
    var provider: Result<ResolvedProvider, ProviderError>?
    /// The metadata of the Secret that `object` names, or nil if neither the watch nor a read has shown one.
    var current: ObjectMeta?
    /// The data that this process verified in the Secret.
    var verifiedData: VerifiedData?
    /// True if this process has unwrapped this very envelope, whatever the template was.
    var isEnvelopeVerified = false
    /// True if another writer has changed the status since this process wrote it.
    var isStatusModified = false

    /// True if `current` was read from the API server.
    var isCurrentRead = false
    /// True if the API server has confirmed that it knows no later generation of the object.
    var isCacheVerified = false
    var comparison: Comparison?
}

/// Why a WrappedSecret cannot be synced.
struct Blocked: Sendable, Equatable {
    let reason: Reason
    let message: String

    init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }
}

/// The next step towards the Secret that a WrappedSecret describes.
enum SyncAction: Sendable, Equatable {
    // Steps that read, after which the next one is decided.

    /// Read the Secret. The cache, which holds only Secrets with our label, has none of this name.
    case readSecret
    /// Read the Secret to merge into. The cache has it only after the first merge has labelled it.
    case findMergeTarget
    /// Read the Secret's data, because the Secret has changed since this data was verified. Needs no KMS.
    case compareData(VerifiedData)
    /// Check that the API server knows no later generation of the object and no deletion. The Secret comes from a later one, so
    /// the cache is behind, or etcd was restored to an older state; or the Secret has lost its owner reference.
    case verifyCacheIsCurrent

    // Steps that write.

    case create
    case update
    /// Update labels, annotations and owner references. The data is correct. Needs no KMS.
    case updateMetadata
    /// Write the data again, at a limited rate. The Secret has changed while no controller was running, and nothing
    /// indicates that its data has.
    case verifyByWriting
    /// Record in the status for which version of the Secret the data was verified.
    case recordVerification
    /// Correct a status that reports a failure which is over, or that another writer has changed.
    case updateStatus

    case inSync

    /// True if the action reads, and the next one is decided after it.
    var isRead: Bool {
        switch self {
        case .readSecret, .findMergeTarget, .compareData, .verifyCacheIsCurrent: true
        case .create, .update, .updateMetadata, .verifyByWriting, .recordVerification, .updateStatus, .inSync:
            false
        }
    }
}

/// The decision for one WrappedSecret, made without I/O and without a key.
enum SyncPlan: Sendable {
    /// Do nothing, because the object is being deleted. Under foreground deletion the garbage collector deletes the
    /// Secret first; to create it again would undo that.
    case skipDeleting
    /// Report in the status that the object is suspended, and leave the Secret as it is.
    case suspend
    /// Report in the status why the object cannot be synced, and leave the Secret as it is.
    case block(Blocked)
    case perform(SyncAction, ReconcileRequest)

    /// The version of the rules that turn a `DesiredSecret` into a Secret. A new version updates every Secret once.
    static let renderVersion = 1

    /// Evaluates the checks in their order; the action is decided if none of them blocks.
    static func decide(_ input: SyncInput) -> SyncPlan {
        let object = input.object
        guard object.metadata.deletionTimestamp == nil else { return .skipDeleting }
        guard object.spec.suspend != true else { return .suspend }
        let desired: DesiredSecret
        do {
            desired = try DesiredSecret(object)
        } catch {
            return .block(Blocked(error.reason, error.message))
        }
        if let blocked = firstProblem(input, desired) { return .block(blocked) }
        let request = ReconcileRequest(
            object: object, previousStatus: input.status, desired: desired, current: input.current)
        return .perform(confirmed(action(input, desired), input, desired), request)
    }

    /// Reads the object before a Secret gets our owner reference back. `kubectl delete --cascade=orphan` has the garbage collector
    /// remove it, and the caches may show that before the deletion of the object. With a reference to an object that is gone, the
    /// garbage collector would delete the Secret.
    private static func confirmed(
        _ action: SyncAction, _ input: SyncInput, _ desired: DesiredSecret
    ) -> SyncAction {
        switch action {
        case .update, .updateMetadata, .verifyByWriting:
            guard !input.isCacheVerified, desired.mergeIdentity == nil, !input.object.spec.isOrphan,
                let current = input.current, OwnershipMetadata.owner(of: current) == nil
            else { return action }
            return .verifyCacheIsCurrent
        case .create, .readSecret, .findMergeTarget, .compareData, .verifyCacheIsCurrent, .recordVerification,
            .updateStatus, .inSync:
            return action
        }
    }

    /// Returns true if nothing is left to do for an object that is neither being deleted nor suspended.
    static func isInSync(_ input: SyncInput, _ desired: DesiredSecret) -> Bool {
        firstProblem(input, desired) == nil && action(input, desired) == .inSync
    }

    private static func firstProblem(_ input: SyncInput, _ desired: DesiredSecret) -> Blocked? {
        for check in checks {
            if let blocked = check(input, desired) { return blocked }
        }
        return nil
    }

    private static func action(_ input: SyncInput, _ desired: DesiredSecret) -> SyncAction {
        let generation = input.object.metadata.generation
        guard let current = input.current else {
            guard desired.mergeIdentity == nil else { return .findMergeTarget }
            // Nothing is known of a new object, and the create request finds a Secret that is in the way. For any other
            // object, a read costs less than a request to the KMS.
            let isNew = input.status?.condition(.ready) == nil && input.status?.secret == nil
            return input.isCurrentRead || isNew ? .create : .readSecret
        }
        if isFromLaterGeneration(current, of: input.object, desired.mergeIdentity) {
            return input.isCacheVerified ? .update : .verifyCacheIsCurrent
        }
        guard let status = input.status, let state = status.secret,
            matchesLastSync(state, input.object, desired, current),
            !input.object.hasPendingSync(status),
            // The same generation has the same recipients; those of another one have to be tried.
            input.isEnvelopeVerified || state.generation == generation
        else { return .update }
        switch DataEvidence(current, state, desired, input.verifiedData, lastSync: status.lastSyncTime) {
        case .unchanged: break
        case .versionMoved(let verified):
            switch input.comparison {
            case nil: return .compareData(verified)
            case .tooLarge: return .verifyByWriting
            case .equal, .different: return .update
            }
        case .unknown: return .verifyByWriting
        case .likelyChanged: return .update
        }
        let changes = MetadataChanges(current, to: desired, of: input.object, adding: input.policy.labels)
        guard state.generation == generation, changes.isEmpty else {
            // Server-side apply removes what it does not list: labels alone would remove the entries.
            return desired.mergeIdentity == nil ? .updateMetadata : .update
        }
        guard !input.isStatusModified, StatusUpdate.isCurrent(status, of: input.object) else {
            return .updateStatus
        }
        return state.resourceVersion == current.resourceVersion ? .inSync : .recordVerification
    }

    /// Returns whether the last successful sync wrote this Secret from these values and templates, under this name and these rules.
    private static func matchesLastSync(
        _ state: WrappedSecretStatus.SecretState, _ object: WrappedSecret, _ desired: DesiredSecret,
        _ secret: ObjectMeta
    ) -> Bool {
        state.mac == object.spec.envelope.mac && state.templateHash == desired.templates.hash
            && state.name == object.secretName && state.uid == secret.uid
            && state.renderVersion == renderVersion
    }

    private static func isFromLaterGeneration(
        _ secret: ObjectMeta, of object: WrappedSecret, _ identity: MergeIdentity?
    ) -> Bool {
        guard
            let source = OwnershipMetadata.source(
                of: secret, identity?.sourceAnnotation ?? OwnershipMetadata.sourceAnnotation),
            source.uid == object.metadata.uid
        else { return false }
        return source.generation > object.metadata.generation ?? 0
    }
}
