import KubeClient

/// What the controller remembers of WrappedSecrets besides the cache: the home of all state that is kept for each object,
/// and the one place where it is forgotten. Its parts are safe to use from any thread.
final class ObjectTracker: Sendable {
    let ownWrites = OwnWrites()
    let stalled = StalledObjects()
    let opened = OpenedEnvelopes()
    let refused = RefusedEnvelopes()
    let blocked = BlockedObjects()
    let contests = Contests()
    /// The same for statuses that another writer changes.
    let statusContests = Contests()
    let troubles = Troubles()
    let proofs = SecretProofs()
    let statuses = KnownStatuses()
    let pending = PendingCiphertexts()
    let held = HeldEnvelopes()
    let missingTargets = MissingTargets()

    /// The object does not exist any more.
    func forget(_ ref: ObjectRef) {
        ownWrites.forget(object: ref)
        stalled.forget(ref)
        opened.forget(ref)
        refused.remove(ref)
        blocked.remove(ref)
        contests.forget(ref)
        statusContests.forget(ref)
        troubles.end(ref)
        proofs.forget(ref)
        statuses.forget(ref)
        pending.release(ref)
        held.drop(ref)
    }
}
