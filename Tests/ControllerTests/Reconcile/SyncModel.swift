import Envelope
import KubeClient
import Resources
import TestSupport

@testable import Controller

/// One WrappedSecret and one Secret on a model API server, and the steps that `Reconciler.sync` takes for them, without I/O and
/// without limits. The values of the Secret are the MAC of their envelope.
struct SyncModel {
    /// The origin of the Secret, which decides who may write it.
    enum Origin: CaseIterable {
        /// This WrappedSecret, or one of its name that was deleted, created it.
        case ours, predecessor
        case unowned, allowsAdoption, allowsMerges
        case otherWrappedSecret, otherController, orphanOfAnother
        /// It was ours, and another writer has removed our metadata. The status, or `managedFields`, may prove that.
        case stripped
    }

    enum End: Equatable { case inSync, written, retry, blocked, suspended, skipped }

    var object = unsealedWrappedSecret()
    var secret: ObjectMeta?
    var values: [String: String] = [:]
    var origin = Origin.ours
    /// What the watch has shown of the Secret, or our own last write.
    var cached: ObjectMeta?
    /// The memory of this process, which a restart empties.
    var record = SyncRecord()
    var version = 100
    private var clock = 1000
    /// The number of writes that have changed the Secret.
    var writeCount = 0
    var unwrapCount = 0
    private(set) var violation: String?

    /// Shows the Secret to the cache, which selects by our label.
    mutating func syncCache() {
        cached = secret?.labels?[OwnershipMetadata.managedLabel] == "true" ? secret : nil
    }

    /// Decides and acts until nothing is left to do.
    mutating func reconcile() -> End {
        let digest = (try? DesiredSecret(object))?.envelope.digest ?? []
        var input = SyncInput(
            object: object, status: object.status, current: cached, verifiedData: record.data,
            isEnvelopeVerified: record.unwrappingKey(of: object.metadata, digest: digest) != nil,
            isStatusModified: record.isExternallyModified(object.status, of: object.metadata))
        var hasConflict = false
        for _ in 0..<12 {
            switch SyncPlan.decide(input) {
            case .skipDeleting: return .skipped
            case .suspend:
                setStatus(update().suspended())
                return .suspended
            case .block(let blocked):
                setStatus(update().failed(blocked.reason, message: blocked.message))
                return .blocked
            case .perform(let action, let request):
                // Only reads and an update follow a conflict at once; see `Reconciler.sync`.
                if hasConflict, action != .update, !action.isRead { return .retry }
                switch action {
                case .readSecret, .findMergeTarget: (input.current, input.isCurrentRead) = (secret, true)
                case .compareData(let verified): compare(verified, request, &input)
                case .verifyCacheIsCurrent: input.isCacheVerified = true
                case .create, .update, .updateMetadata, .verifyByWriting:
                    if write(action, request) { return .written }
                    guard action == .create || request.desired.mergeIdentity != nil, let secret else {
                        return .retry
                    }
                    (input.current, input.isCurrentRead, hasConflict) = (secret, true, true)
                case .recordVerification:
                    let (uid, version) = (request.current?.uid, request.current?.resourceVersion)
                    setStatus(update().verified(version))
                    record.dataUnchanged(uid: uid ?? "", resourceVersion: version ?? "", isRecorded: true)
                    return .written
                case .updateStatus:
                    setStatus(update().restored(request.current?.resourceVersion, verified: now()))
                    return .written
                case .inSync:
                    record.expectStatus(object.status, of: object.metadata)
                    return .inSync
                }
            }
        }
        fail("the plan does not end")
        return .retry
    }

    // MARK: steps

    private mutating func compare(
        _ verified: VerifiedData, _ request: ReconcileRequest, _ input: inout SyncInput
    ) {
        (input.current, input.isCurrentRead) = (secret, secret == nil || input.isCurrentRead)
        guard let secret else { return }
        let isEqual = secret.uid == verified.uid && contents(request.desired) == verified.dataDigest
        input.comparison = isEqual ? .equal : .different
        guard isEqual else { return }
        record.dataUnchanged(
            uid: verified.uid, resourceVersion: secret.resourceVersion ?? "", isRecorded: false)
        input.verifiedData = record.data
    }

    mutating func recordSuccess(
        _ action: SyncAction, _ secret: ObjectMeta, _ request: ReconcileRequest
    ) {
        let desired = request.desired
        let (uid, version) = (secret.uid ?? "", secret.resourceVersion ?? "")
        let key = UnwrappingKey(id: "local:test", version: nil)
        if action == .updateMetadata {
            record.dataUnchanged(uid: uid, resourceVersion: version, isRecorded: true)
        } else {
            record.envelopeVerified(object.metadata, digest: desired.envelope.digest, key: key)
            record.dataWritten(
                VerifiedData(
                    uid: uid, resourceVersion: version, sourceDigest: desired.sourceDigest,
                    dataDigest: contents(desired), isWholeSecret: desired.mergeIdentity == nil))
        }
        let state = WrappedSecretStatus.SecretState(
            name: secret.name, uid: uid, resourceVersion: version,
            generation: object.metadata.generation ?? 0, mac: object.spec.envelope.mac,
            templateHash: desired.templates.hash, renderVersion: SyncPlan.renderVersion)
        let time = FieldOwnership(of: desired).lastWriteTime(secret)
        setStatus(update().synced(state, key: key, at: time))
    }

    private mutating func setStatus(_ status: WrappedSecretStatus) {
        record.expectStatus(status, of: object.metadata)
        object.status = status
    }

    private mutating func update() -> StatusUpdate {
        StatusUpdate(object, previous: object.status, now: now())
    }

    /// Returns a new time. As text, later times are greater.
    mutating func now() -> String {
        clock += 1
        return "T\(clock)"
    }

    /// Returns what a digest would be of: all values, or the merged ones.
    private func contents(_ desired: DesiredSecret) -> [UInt8] {
        let keys = desired.mergeIdentity == nil ? values.keys.sorted() : desired.keys
        return Array(keys.map { "\($0)=\(values[$0] ?? "");" }.joined().utf8)
    }

    mutating func fail(_ problem: String) {
        if violation == nil { violation = problem }
    }
}
