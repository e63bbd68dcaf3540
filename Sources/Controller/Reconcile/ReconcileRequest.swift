import Envelope
import KubeClient
import Resources

/// A WrappedSecret that is to be synced, and the Secret that it describes. A class, because a copy of so many fields for each
/// step would take longer than most steps.
final class ReconcileRequest: Sendable {
    let object: WrappedSecret
    /// The newest status that this process knows: the one that it wrote last, or that of `object`.
    let previousStatus: WrappedSecretStatus?
    let desired: DesiredSecret
    /// The metadata of the Secret as it is, or nil if none is known to exist.
    let current: ObjectMeta?

    init(
        object: WrappedSecret, previousStatus: WrappedSecretStatus?, desired: DesiredSecret,
        current: ObjectMeta?
    ) {
        self.object = object
        self.previousStatus = previousStatus
        self.desired = desired
        self.current = current
    }

    var ref: ObjectRef { object.metadata.ref }
    var secretRef: ObjectRef { ObjectRef(namespace: desired.namespace, name: desired.name) }

    /// True if the object asks for nothing that was not synced before, so that a write reverts a change of the Secret.
    var isSyncedBefore: Bool {
        previousStatus?.secret?.generation == object.metadata.generation
            && previousStatus?.secret?.mac == object.spec.envelope.mac
            && !object.hasPendingSync(previousStatus)
    }
}

/// The result of reconciling one object.
struct ReconcileResult: Sendable, Equatable {
    let outcome: WorkQueue.Outcome
    /// The reason for which the object is not in sync, if this reconcile has failed with one.
    let reason: Reason?

    init(_ outcome: WorkQueue.Outcome, reason: Reason? = nil) {
        self.outcome = outcome
        self.reason = reason
    }
}

extension WrappedSecret {
    /// Returns whether a user has requested a sync that was not carried out yet.
    func hasPendingSync(_ status: WrappedSecretStatus?) -> Bool {
        requestedSync != nil && requestedSync != status?.lastHandledSync
    }
}
