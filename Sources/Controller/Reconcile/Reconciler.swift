import Envelope
import KubeClient
import Logging
import Resources

/// Brings one Secret in line with its WrappedSecret. Level-triggered: it compares states, and does not depend on which
/// event queued the object.
struct Reconciler: Sendable {
    let client: KubeClient
    let keys: ReconcileKeys
    /// The caches, the indexes and the tracker of the watched namespaces, and the queue.
    let informers: Informers
    let limits: ReconcileLimits
    let options: Controller.Options
    var events: EventRecorder?
    let logger: Logger
    /// Returns the time for statuses: RFC 3339, UTC.
    let now: @Sendable () -> String

    /// The delay before the first retry, except after failures that mostly pass within milliseconds.
    static let initialBackoff = Duration.seconds(1)

    var tracker: ObjectTracker { informers.tracker }

    func reconcile(_ ref: ObjectRef) async -> ReconcileResult {
        let result = await reconcileCached(ref)
        // An object that waits has reserved nothing, unless it was granted meanwhile, and keeps its place.
        if result.outcome != .waitingForMemory { limits.memory.release(ref) }
        if result.outcome != .waitingForProvider { limits.providers.release(ref) }
        switch result.outcome {
        case .throttled, .waitingForMemory, .waitingForProvider: break
        case .done:
            tracker.withFailureRecord(ref) { $0.apiServerRecovered() }
            tracker.plaintextCache.remove(ref)
            tracker.blockedObjects.remove(ref)
            fallthrough
        default:
            limits.unwraps.forget(ref)
            limits.verifications.forget(ref)
        }
        // The watch may have shown the deletion before this reconcile recorded its state.
        if !informers.objects.contains(ref) { tracker.forget(ref) }
        return result
    }

    private func reconcileCached(_ ref: ObjectRef) async -> ReconcileResult {
        let written = tracker.writes.expectedStatus(ref)
        guard let cached = informers.objects[ref] else { return ReconcileResult(.done) }
        let metadata = cached.metadata
        let previous = written.map { $0.newest(for: metadata, cached.status) } ?? cached.status
        if case .malformed = cached, metadata.deletionTimestamp != nil { return ReconcileResult(.done) }
        let provider = presentProvider(of: cached)
        if let known = tracker.withFailureRecord(
            ref, { $0.terminalStatus(of: metadata, provider: provider) })
        {
            return ReconcileResult(await restoreTerminalStatus(known, metadata, previous))
        }
        switch cached {
        case .malformed(_, _, let problem):
            return await recordFailure(
                metadata, previous, .invalidSpec, "the object is malformed: \(problem)")
        case .object(let object):
            do throws(ReconcileFailure) {
                return ReconcileResult(try await sync(try await input(object, previous)))
            } catch {
                return await result(of: error, metadata, previous)
            }
        }
    }

    /// Returns the key and identity that an object gets from its provider now, if it has failed with one.
    private func presentProvider(of cached: Decoded<WrappedSecret>) -> ResolvedProvider? {
        guard case .object(let object) = cached,
            tracker.withFailureRecord(object.metadata.ref, { $0.failedWithProvider })
        else { return nil }
        return try? provider(of: object)?.get()
    }

    /// Collects what the caches and the tracker know. Reads what the cache has only in part.
    private func input(
        _ cached: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> SyncInput {
        let ref = cached.metadata.ref
        let object = cached.isAbridged ? try await readUnabridged(cached) : cached
        let target = ObjectRef(namespace: ref.namespace, name: object.secretName)
        var current = tracker.writes.newestSecret(target, cached: informers.secrets[target])
        if current?.isAbridged == true { current = try await getIfExists(target) }
        let digest = object.spec.envelope.droppedCiphertexts?.digest ?? []
        let record = tracker.syncRecord(ref)
        return SyncInput(
            object: object, status: previous, policy: options.policy, provider: try provider(of: object),
            current: current,
            verifiedData: record.data,
            isEnvelopeVerified: record.unwrappingKey(of: object.metadata, digest: digest) != nil,
            isStatusModified: record.isExternallyModified(previous, of: object.metadata))
    }

    /// Decides, acts, and reads again, until nothing is left to do.
    private func sync(_ initial: SyncInput) async throws(ReconcileFailure) -> WorkQueue.Outcome {
        var input = initial
        var attempts = WriteAttempts()
        var conflict: KubeError?
        while true {
            // The cache or a read has shown a Secret.
            if let current = input.current {
                tracker.plaintextCache.unpin(initial.object.metadata.ref, current)
            }
            switch SyncPlan.decide(input) {
            case .skipDeleting:
                return .done
            case .suspend:
                let update = StatusUpdate(input.object, previous: input.status, now: now())
                try await writeStatus(update.suspended(), input.object.metadata, input.status)
                return .done
            case .block(let blocked):
                throw .notReady(blocked.reason, message: blocked.message)
            case .perform(let action, let request):
                // Anything else than the next attempt waits until the caches show what the other writer did.
                if let conflict, action != .update, !action.isRead { throw .transient(conflict) }
                switch action {
                case .readSecret, .findMergeTarget, .compareData, .verifyCacheIsCurrent:
                    try await read(action, request, &input)
                case .create, .update, .updateMetadata, .verifyByWriting:
                    switch try await write(action, request, &attempts) {
                    case .written(let status):
                        return await finish(request, status)
                    case .conflict(let error):
                        guard let newer = try await getIfExists(request.secretRef) else {
                            throw .transient(error)
                        }
                        (input.current, input.isCurrentRead, conflict) = (newer, true, error)
                        input.isCacheVerified = false
                    }
                case .recordVerification:
                    let (status, next) = try await recordVerification(request)
                    return await finish(request, status, next)
                case .updateStatus:
                    let (status, next) = try await updateStatus(request)
                    return await finish(request, status, next)
                case .inSync:
                    return await finish(request, request.previousStatus)
                }
            }
        }
    }

    /// Completes a sync: removes the Secrets that earlier versions of the object named, and restarts workloads. Neither
    /// changes `Ready`.
    ///
    /// - Parameter next: another outcome than `done` if the status has to be written later.
    private func finish(
        _ request: ReconcileRequest, _ status: WrappedSecretStatus?, _ next: WorkQueue.Outcome = .done
    ) async -> WorkQueue.Outcome {
        let (ref, object) = (request.ref, request.object)
        tracker.withFailureRecord(ref) { $0.apiServerRecovered() }
        tracker.blockedObjects.remove(ref)
        if next == .done {
            tracker.withSyncRecord(ref) { $0.expectStatus(status, of: object.metadata) }
        }
        tracker.pendingCiphertexts.remove(ref, digest: request.desired.envelope.digest)
        let removal = await removeLeftovers(of: object)
        let restart = await restartWorkloads(of: object, status)
        // A restart, or a status that has to be written, does not wait for the next Secrets to examine.
        let isUrgent = removal != .requeue(after: Self.examinationDelay)
        let outcomes = isUrgent ? [removal, restart, next] : [restart, next, removal]
        return outcomes.first { $0 != .done } ?? .done
    }

    /// Reports a failure in the status if a user has to know of it, and returns the outcome.
    private func result(
        of failure: ReconcileFailure, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async -> ReconcileResult {
        switch failure {
        case .objectGone, .throttled, .waitingForMemory, .waitingForProvider, .requeueAfter:
            return ReconcileResult(failure.silentOutcome ?? .done)
        case .transient(let error):
            logger.log(
                level: error.isExpected ? .debug : .warning, "will retry",
                metadata: ["object": "\(object.ref)", "error": "\(error)"])
            guard error.isObjectSpecific, tracker.withFailureRecord(object.ref, { $0.apiServerFailed() })
            else {
                return ReconcileResult(.requeueRateLimited)
            }
            return await recordFailure(
                object, previous, .apiServerError, ReconcileFailure.persistentMessage(error))
        case .notReady(let reason, let message, let provider):
            tracker.withFailureRecord(object.ref) { $0.apiServerRecovered() }
            return await recordFailure(object, previous, reason, message, provider: provider)
        case .contested(let message, let delay):
            tracker.withFailureRecord(object.ref) { $0.apiServerRecovered() }
            let result = await recordFailure(object, previous, .secretContested, message)
            return result.outcome == .done
                ? result : ReconcileResult(.requeue(after: delay), reason: result.reason)
        }
    }
}

extension Decoded<WrappedSecret> {
    fileprivate var status: WrappedSecretStatus? {
        switch self {
        case .object(let object): object.status
        case .malformed(_, let status, _): status
        }
    }
}
