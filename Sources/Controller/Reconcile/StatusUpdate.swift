import Envelope
import KubeClient
import Resources
import System

/// Computes the status that follows from the result of a reconcile. It reads no clock: the caller passes the time.
struct StatusUpdate: Sendable {
    let object: ObjectMeta
    /// The value of the annotation `sync`, which a successful sync acknowledges.
    var requestedSync: String?
    /// True if workloads are restarted when the values change.
    var restartsWorkloads = false
    let previous: WrappedSecretStatus?
    /// The current time, in RFC 3339 and UTC.
    let now: String

    static func syncedMessage(_ secret: WrappedSecretStatus.SecretState?) -> String {
        "Secret \(secret?.name ?? "") is up to date"
    }

    /// - Parameters:
    ///   - time: the time of the write by the API server's clock, which later times are compared with, or nil if it is
    ///     not known.
    ///   - verified: the time when the data was verified, or nil if that is now.
    func synced(
        _ secret: WrappedSecretStatus.SecretState, key: UnwrappingKey, at time: String?,
        verified: String? = nil
    ) -> WrappedSecretStatus {
        var status = base()
        status.secret = secret
        status.keyID = key.id
        status.keyVersion = key.version
        status.lastSyncTime = time ?? now
        status.lastVerifiedTime = verified ?? now
        if let requestedSync { status.lastHandledSync = requestedSync }
        status.conditions = [
            condition(.ready, true, Reason.synced.rawValue, Self.syncedMessage(secret))
        ]
        guard restartsWorkloads else {
            status.rolloutRestart = nil
            return status
        }
        // Running workloads have the values that the Secret had until now. If it had none, the first sync changes
        // nothing.
        if status.rolloutRestart == nil {
            status.rolloutRestart = .init(
                of: previous?.secret?.mac == nil ? secret : previous?.secret, time: now)
        }
        // Drops the condition of a failure once no restart is pending.
        let isPending = status.rolloutRestart?.dataVersion != secret.dataVersion
        status.conditions? += restartCondition.filter { isPending || $0.status == "True" }
        return status
    }

    /// The status of a Secret whose data has just been verified at a later resource version.
    func verified(_ resourceVersion: String?) -> WrappedSecretStatus {
        restored(resourceVersion, verified: now)
    }

    /// The status of a synced object as it was before another writer changed the status.
    func restored(_ resourceVersion: String?, verified: String?) -> WrappedSecretStatus {
        guard var secret = previous?.secret else { return previous ?? WrappedSecretStatus() }
        secret.resourceVersion = resourceVersion ?? secret.resourceVersion
        var status = synced(
            secret, key: UnwrappingKey(id: previous?.keyID, version: previous?.keyVersion),
            at: previous?.lastSyncTime,
            verified: verified)
        status.lastSyncTime = previous?.lastSyncTime
        status.lastVerifiedTime = verified
        return status
    }

    /// Returns whether the status of a synced object is the one that this controller would write.
    static func isCurrent(_ status: WrappedSecretStatus, of object: WrappedSecret) -> Bool {
        if object.spec.workloadsToRestart.isEmpty, isPlainlyCurrent(status, of: object) { return true }
        // A condition that would change gets the empty time, so that the statuses differ.
        return StatusUpdate(object, previous: status, now: "").restored(
            nil, verified: status.lastVerifiedTime)
            == status
    }

    /// Returns whether the status is that of nearly all objects in sync. It makes no other status to compare with.
    private static func isPlainlyCurrent(_ status: WrappedSecretStatus, of object: WrappedSecret) -> Bool {
        guard let conditions = status.conditions, conditions.count == 1, let ready = conditions.first,
            let secret = status.secret, let name = secret.name, status.rolloutRestart == nil
        else { return false }
        let generation = object.metadata.generation
        return status.observedGeneration == generation && ready.observedGeneration == generation
            && !object.hasPendingSync(status) && ready.type == Condition.Kind.ready.rawValue
            && ready.status == "True" && ready.reason == Reason.synced.rawValue
            && EnvelopeValidation.isDNSSubdomain(name) && ready.message == syncedMessage(secret)
    }

    /// The status of an object that could not be synced. The Secret stays as it is.
    func failed(_ reason: Reason, message: String) -> WrappedSecretStatus {
        var status = base()
        let isTerminal = reason.isTerminal
        status.conditions =
            [
                condition(.ready, false, reason.rawValue, message),
                condition(
                    isTerminal ? .stalled : .reconciling, true, reason.rawValue,
                    isTerminal ? "waits for a change of the object" : "is retried with growing delays"),
            ] + restartCondition
        return status
    }

    /// The status after workloads of a synced object were restarted. `Ready` does not change.
    func restarted(_ result: RestartResult) -> WrappedSecretStatus {
        var status = base()
        var conditions = (status.conditions ?? []).filter {
            $0.type != Condition.Kind.rolloutRestarted.rawValue
        }
        conditions.append(
            condition(.rolloutRestarted, result.isComplete, result.reason, result.message))
        status.conditions = conditions
        if result.isComplete {
            status.rolloutRestart = .init(of: status.secret, time: now)
        } else if result.hasRestarted {
            // Some workloads run with these values and some with others: any next values are a change for one of them.
            status.rolloutRestart?.mac = nil
        }
        return status
    }

    /// The status of a suspended object. `Ready` does not change, because nothing is known of the Secret.
    func suspended() -> WrappedSecretStatus {
        var status = base()
        var conditions = status.conditions?.filter { $0.type == Condition.Kind.ready.rawValue } ?? []
        conditions.append(
            condition(.suspended, true, "Suspended", "spec.suspend is true; the Secret is left as it is"))
        status.conditions = conditions + restartCondition
        return status
    }

    private var restartCondition: [Condition] {
        [previous?.condition(.rolloutRestarted)].compactMap(\.self)
    }

    private func base() -> WrappedSecretStatus {
        var status = previous ?? WrappedSecretStatus()
        status.observedGeneration = object.generation
        return status
    }

    /// The transition time changes only when the status of the condition does.
    private func condition(
        _ kind: Condition.Kind, _ value: Bool, _ reason: String, _ message: String
    ) -> Condition {
        var condition = Condition(
            kind, value, observedGeneration: object.generation, lastTransitionTime: now, reason: reason,
            message: message.escapingInvisibleCharacters.truncated(toUTF8: 2048))
        if let before = previous?.condition(kind), before.status == condition.status {
            condition.lastTransitionTime = before.lastTransitionTime
        }
        return condition
    }
}

extension StatusUpdate {
    init(_ object: WrappedSecret, previous: WrappedSecretStatus?, now: String) {
        self.init(
            object: object.metadata, requestedSync: object.requestedSync,
            restartsWorkloads: !object.spec.workloadsToRestart.isEmpty, previous: previous, now: now)
    }

    /// Returns a patch that replaces the whole status, if the object still has this uid.
    static func patch(_ status: WrappedSecretStatus, uid: String) -> JSONPatch {
        JSONPatch { patch in
            patch.test("/metadata/uid", uid)
            patch.operation("add", "/status") { status.write(to: &$0) }
        }
    }
}
