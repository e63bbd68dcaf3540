import KubeClient

/// What the controller remembers of WrappedSecrets besides the cache: the home of all state that is kept for each object,
/// and the one place where it is forgotten. Its parts are safe to use from any thread.
final class ObjectTracker: Sendable {
    let writes = WriteExpectations()
    let terminalFailures = TerminalFailures()
    let verifiedEnvelopes = VerifiedEnvelopeCache()
    let rejectedEnvelopes = RejectedEnvelopes()
    let blockedObjects = BlockedObjects()
    let driftThrottles = DriftThrottles()
    /// The same for statuses that another writer changes.
    let statusThrottles = DriftThrottles()
    let persistentFailures = PersistentFailures()
    let verifiedData = VerifiedDataCache()
    let expectedStatuses = ExpectedStatuses()
    let pendingCiphertexts = PendingCiphertexts()
    let plaintextCache = PlaintextRetryCache()
    let missingTargets = MissingTargets()

    /// The object does not exist any more.
    func forget(_ ref: ObjectRef) {
        writes.forget(object: ref)
        terminalFailures.forget(ref)
        verifiedEnvelopes.forget(ref)
        rejectedEnvelopes.remove(ref)
        blockedObjects.remove(ref)
        driftThrottles.forget(ref)
        statusThrottles.forget(ref)
        persistentFailures.clear(ref)
        verifiedData.forget(ref)
        expectedStatuses.forget(ref)
        pendingCiphertexts.remove(ref)
        plaintextCache.remove(ref)
    }
}
