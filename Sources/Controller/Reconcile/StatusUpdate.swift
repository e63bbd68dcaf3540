import KubeClient
import Resources
import System

/// Computes the status that follows from an outcome. Pure: the time comes from outside.
struct StatusUpdate: Sendable {
    let object: ObjectMeta
    /// The forced sync that this outcome answers.
    var requestedSync: String?
    /// Whether workloads are to be restarted when the values change.
    var restartsWorkloads = false
    let previous: WrappedSecretStatus?
    /// RFC 3339, UTC.
    let now: String

    /// - Parameters:
    ///   - time: of the write, by the API server's clock, with which it is compared later; nil if that is unknown.
    ///   - verified: when the data was proved, if that was not now.
    func synced(
        _ secret: WrappedSecretStatus.SecretState, keyID: String?, keyVersion: String?, at time: String?,
        verified: String? = nil
    ) -> WrappedSecretStatus {
        var status = base()
        status.secret = secret
        status.keyID = keyID
        status.keyVersion = keyVersion
        status.lastSyncTime = time ?? now
        status.lastVerifiedTime = verified ?? now
        if let requestedSync { status.lastHandledSync = requestedSync }
        status.conditions = [
            condition(.ready, true, Reason.synced.rawValue, "Secret \(secret.name ?? "") is up to date")
        ]
        guard restartsWorkloads else {
            status.rolloutRestart = nil
            return status
        }
        // What runs has the values that the Secret had until now; without any before, the first sync is no change.
        if status.rolloutRestart == nil {
            status.rolloutRestart = .init(mac: previous?.secret?.mac ?? secret.mac, time: now)
        }
        // A debt that is none any more is not told of either.
        let isOwed = status.rolloutRestart?.mac != secret.mac
        status.conditions? += restartCondition.filter { isOwed || $0.status == "True" }
        return status
    }

    /// The Secret is as the last write left it, and a later version of it has the same data.
    ///
    /// - Parameter resourceVersion: of the Secret whose data was proved now.
    func verified(_ resourceVersion: String?) -> WrappedSecretStatus {
        restored(resourceVersion, verified: now)
    }

    /// The status of a synced object as it was before another writer changed it.
    func restored(_ resourceVersion: String?, verified: String?) -> WrappedSecretStatus {
        guard var secret = previous?.secret else { return previous ?? WrappedSecretStatus() }
        secret.resourceVersion = resourceVersion ?? secret.resourceVersion
        var status = synced(
            secret, keyID: previous?.keyID, keyVersion: previous?.keyVersion, at: previous?.lastSyncTime,
            verified: verified)
        status.lastSyncTime = previous?.lastSyncTime
        status.lastVerifiedTime = verified
        return status
    }

    /// Whether the status of an object in sync is one that we would write: another writer may have changed it.
    static func isCurrent(_ status: WrappedSecretStatus, of object: WrappedSecret) -> Bool {
        let update = StatusUpdate(
            object: object.metadata, requestedSync: object.requestedSync,
            restartsWorkloads: !object.spec.workloadsToRestart.isEmpty, previous: status, now: "")
        return update.restored(nil, verified: status.lastVerifiedTime) == status
    }

    /// The Secret stays as it is; `Ready` says why.
    func failed(_ reason: Reason, message: String) -> WrappedSecretStatus {
        var status = base()
        let stalls = reason.isTerminal
        status.conditions =
            [
                condition(.ready, false, reason.rawValue, message),
                condition(
                    stalls ? .stalled : .reconciling, true, reason.rawValue,
                    stalls ? "waits for a change of the object" : "is retried with growing pauses"),
            ] + restartCondition
        return status
    }

    /// The Secret is synced; this is what came of the restarts that were owed. `Ready` stays what it was.
    func restarted(_ result: RestartResult) -> WrappedSecretStatus {
        var status = base()
        var conditions = (status.conditions ?? []).filter {
            $0.type != Condition.Kind.rolloutRestarted.rawValue
        }
        conditions.append(
            condition(.rolloutRestarted, result.isComplete, result.reason, result.message))
        status.conditions = conditions
        if result.isComplete {
            status.rolloutRestart = .init(mac: status.secret?.mac, time: now)
        } else if result.hasRestarted {
            // Some run with these values and some with others: whatever comes next is a change to one of them.
            status.rolloutRestart?.mac = nil
        }
        return status
    }

    /// `Ready` stays what it was: suspending says nothing about the Secret.
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

    /// The transition time moves only when the status of the condition does.
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
