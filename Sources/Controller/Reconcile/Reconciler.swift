import Envelope
import KubeClient
import Logging
import Resources
import System

/// Brings one Secret in line with its WrappedSecret: load, plan, unwrap, write, report. Level-triggered: what happened does
/// not matter, only what is.
struct Reconciler: Sendable {
    let client: KubeClient
    let keys: KeyRing
    let objects: Store<Decoded<WrappedSecret>>
    let secrets: Store<ObjectMeta>
    let tracker: ObjectTracker
    let policy: OperatorPolicy
    /// Secrets that a WrappedSecret made under other names than it has now.
    let ownedSecrets: OwnedSecretIndex
    let budget: UnwrapRateLimiter
    let memory: ReconcileMemoryLimiter
    let pacer: VerificationPacer
    let now: @Sendable () -> String
    /// How many further objects will be looked at within moments.
    let expectedFollowUps: @Sendable () -> Int
    var events: EventRecorder?
    /// Of this process, in messages about other writers.
    var identity = ""
    /// See `Controller.Options`.
    var unwatchedSecretInterval = Duration.seconds(20)
    let logger: Logger
    /// Is told why an object is not synced.
    var failed: @Sendable (Reason) -> Void = { _ in }
    /// Adds an object to the queue.
    var enqueue: @Sendable (ObjectRef) -> Void = { _ in }

    /// The pause after the first failure that does not pass in milliseconds.
    static let initialBackoff = Duration.seconds(1)

    func reconcile(_ ref: ObjectRef) async -> WorkQueue.Outcome {
        let outcome = await attempt(ref)
        // An object that waits has reserved nothing, unless it was served meanwhile, and keeps its place.
        if outcome != .waitingForMemory { memory.release(ref) }
        switch outcome {
        case .throttled, .waitingForMemory: break
        case .done:
            tracker.persistentFailures.clear(ref)
            tracker.plaintextCache.remove(ref)
            tracker.blockedObjects.remove(ref)
            fallthrough
        default:
            budget.forget(ref)
            pacer.forget(ref)
        }
        // What was remembered after the deletion would stay for good.
        if objects[ref] == nil { tracker.forget(ref) }
        return outcome
    }

    private func attempt(_ ref: ObjectRef) async -> WorkQueue.Outcome {
        let written = tracker.writes.expectedStatus(ref)
        switch objects[ref] {
        case nil:
            return .done
        case .malformed(let metadata, let status, let problem):
            guard metadata.deletionTimestamp == nil else { return .done }
            let previous = written.map { $0.newest(for: metadata, status) } ?? status
            if let known = tracker.terminalFailures.status(of: metadata) {
                return await restoreTerminalStatus(known, metadata, previous)
            }
            return await recordFailure(
                metadata, previous: previous, .invalidSpec, "the object is malformed: \(problem)")
        case .object(let object):
            let previous = written.map { $0.newest(for: object.metadata, object.status) } ?? object.status
            if let known = tracker.terminalFailures.status(of: object.metadata) {
                return await restoreTerminalStatus(known, object.metadata, previous)
            }
            return await reconcile(object, previous)
        }
    }

    private func reconcile(
        _ cached: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let ref = cached.metadata.ref
        do throws(ReconcileFailure) {
            let object = cached.isAbridged ? try await readUnabridged(cached) : cached
            let target = ObjectRef(namespace: ref.namespace, name: object.secretName)
            var secret = tracker.writes.newestSecret(target, watched: secrets[target])
            if secret?.isAbridged == true { secret = try await getIfExists(target) }
            if let secret { tracker.plaintextCache.unpin(ref, secret) }
            let plan = try await resolve(decide(object, secret, previous), object, previous)
            if let pause = truce(plan, object, previous) {
                tracker.persistentFailures.clear(ref)
                return await giveWay(plan, object, previous, for: pause)
            }
            let (status, next) = try await carryOutOrPostpone(plan, object, previous)
            tracker.persistentFailures.clear(ref)
            guard !plan.leavesSecretUntouched else { return .done }
            tracker.blockedObjects.remove(ref)
            if next == .done { tracker.expectedStatuses.expect(status, of: object.metadata) }
            if let digest = plan.desired?.envelope.digest ?? object.spec.envelope.droppedCiphertexts?.digest {
                tracker.pendingCiphertexts.remove(ref, digest: digest)
            }
            let removal = await removeLeftovers(of: object)
            let restart = await restartWorkloads(of: object, status)
            return [removal, restart, next].first { $0 != .done } ?? .done
        } catch {
            return await outcome(of: error, cached, previous)
        }
    }

    /// Carries out a plan. One that concerns the status alone may have to wait, which keeps nothing else from being done.
    private func carryOutOrPostpone(
        _ plan: SyncPlan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> (status: WrappedSecretStatus?, next: WorkQueue.Outcome) {
        do throws(ReconcileFailure) {
            return (try await carryOut(plan, object, previous), .done)
        } catch .requeueAfter(let pause) where plan.writesStatusOnly {
            return (previous, .requeue(after: pause))
        } catch .throttled(let turn) where plan.writesStatusOnly {
            return (previous, .throttled(until: turn))
        }
    }

    private func outcome(
        of failure: ReconcileFailure, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let ref = object.metadata.ref
        switch failure {
        case .objectGone: return .done
        case .throttled(let instant): return .throttled(until: instant)
        case .waitingForMemory: return .waitingForMemory
        case .requeueAfter(let pause): return .requeue(after: pause)
        case .transient(let error):
            logger.log(
                level: error.isExpected ? .debug : .warning, "will retry",
                metadata: ["object": "\(ref)", "error": "\(error)"])
            guard error.isObjectSpecific, tracker.persistentFailures.record(ref) else {
                return .requeueRateLimited
            }
            let message = ReconcileFailure.persistentMessage(lasting: error)
            return await recordFailure(object.metadata, previous: previous, .apiServerError, message)
        case .notReady(let reason, let message):
            tracker.persistentFailures.clear(ref)
            return await recordFailure(object.metadata, previous: previous, reason, message)
        }
    }

    /// How long to leave a Secret, or a status, to another writer who keeps changing it; nil if there is none, or the plan
    /// corrects nothing.
    private func truce(
        _ plan: SyncPlan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) -> Duration? {
        plan.correctsDrift && requestsNothingNew(object, previous)
            ? tracker.driftThrottles.delayBeforeRepair(object.metadata.ref) : nil
    }

    /// Whether the object asks for nothing new, so that what is to be done is a repair.
    func requestsNothingNew(_ object: WrappedSecret, _ previous: WrappedSecretStatus?) -> Bool {
        previous?.secret?.generation == object.metadata.generation
            && previous?.secret?.mac == object.spec.envelope.mac
            && (object.requestedSync == nil || object.requestedSync == previous?.lastHandledSync)
    }

    private func giveWay(
        _ plan: SyncPlan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?, for pause: Duration
    ) async -> WorkQueue.Outcome {
        let target = ObjectRef(namespace: object.metadata.ref.namespace, name: object.secretName)
        let outcome = await recordFailure(
            object.metadata, previous: previous, .secretContested,
            "Secret \(object.secretName) is changed again each time it is repaired, by "
                + "\(rivals(for: secrets[target], plan.desired)); stop that writer, or set spec.suspend to true"
        )
        return outcome == .done ? .done : .requeue(after: pause)
    }

    /// Who keeps changing the Secret, by the API server's account.
    private func rivals(for secret: ObjectMeta?, _ blueprint: DesiredSecret?) -> String {
        guard let secret else { return "a writer that deletes it" }
        guard let blueprint, !secret.isAbridged else { return "another writer" }
        let names = DataOwnership(of: blueprint).otherManagers(secret)
        guard names.isEmpty else { return names.prefix(4).joined(separator: ", ") }
        // Every field is ours by name, and this process did not write this version.
        return
            "another Secrets Bridge with other settings (field manager \(blueprint.fieldManager), as this one"
            + "\(identity.isEmpty ? "" : ", \(identity)"))"
    }

    func statusUpdate(_ object: WrappedSecret, _ previous: WrappedSecretStatus?) -> StatusUpdate {
        StatusUpdate(
            object: object.metadata, requestedSync: object.requestedSync,
            restartsWorkloads: !object.spec.workloadsToRestart.isEmpty, previous: previous, now: now())
    }

    func decide(
        _ object: WrappedSecret, _ secret: ObjectMeta?, _ status: WrappedSecretStatus?
    ) -> SyncPlan {
        let digest = object.spec.envelope.droppedCiphertexts?.digest ?? []
        return SyncPlan.decide(
            object, secret: secret, status: status, rules: policy,
            isOpened: tracker.verifiedEnvelopes.keyVersion(of: object.metadata, digest: digest) != nil,
            proof: tracker.verifiedData[object.metadata.ref],
            isStatusForeign: tracker.expectedStatuses.isExternallyModified(status, of: object.metadata))
    }

    /// Returns the status as it is then.
    private func carryOut(
        _ plan: SyncPlan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> WrappedSecretStatus? {
        let update = statusUpdate(object, previous)
        switch plan {
        case .inSync, .skipDeleting, .findMergeTarget, .compareData, .verifyCacheIsCurrent:
            return previous
        case .suspend:
            return try await writeStatus(update.suspended(), object.metadata, previous)
        case .block(let reason, let message):
            throw .notReady(reason, message: message)
        case .create(let blueprint):
            let envelope = try await unwrap(blueprint, object)
            let secret = try await create(blueprint, object, envelope)
            return try await recordSuccess(
                secret, over: nil, blueprint, object, update, .init(envelope), envelope)
        case .update(let blueprint, let current):
            return try await updateSecret(current, blueprint, object, update)
        case .verifyByWriting(let blueprint, let current):
            if let turn = pacer.nextTurn(object.metadata.ref) { throw .throttled(until: turn) }
            return try await updateSecret(current, blueprint, object, update)
        case .updateMetadata(let blueprint, let current):
            let secret: ObjectMeta
            do throws(ReconcileFailure) {
                secret = try await patch(current, blueprint, object, nil)
            } catch  where error.requiresRecreation && object.spec.recreate == true {
                return try await updateSecret(current, blueprint, object, update)
            }
            // Of another generation than the status tells of, its own key is known: it was opened.
            let key =
                tracker.verifiedEnvelopes.keyVersion(of: object.metadata, digest: blueprint.envelope.digest)
                ?? .init(id: previous?.keyID, version: previous?.keyVersion)
            return try await recordSuccess(secret, over: current, blueprint, object, update, key, nil)
        case .recordVerification(_, let current):
            return try await recordVerification(of: current, object, update)
        case .updateStatus(_, let current):
            return try await updateStatus(current, object, update)
        }
    }

    private func updateSecret(
        _ current: ObjectMeta, _ blueprint: DesiredSecret, _ object: WrappedSecret, _ update: StatusUpdate
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        let envelope = try await unwrap(blueprint, object)
        let secret: ObjectMeta
        if let merger = blueprint.mergeIdentity {
            secret = try await merge(into: current, blueprint, merger, object, envelope, update.previous)
        } else {
            secret = try await updateOrRecreate(current, blueprint, object, envelope, update.previous)
        }
        return try await recordSuccess(
            secret, over: current, blueprint, object, update, .init(envelope), envelope)
    }

    /// The server knows no later generation than ours. A Secret from a later one is then from a time that never
    /// was: etcd was restored to an older state. A write that overtakes this read changes the Secret's version,
    /// and our patch fails.
    func verifyCacheIsCurrent(_ object: ObjectMeta) async throws(ReconcileFailure) {
        let newest: ObjectMeta
        do {
            newest = try await client.getMetadata(WrappedSecret.resource, object.ref)
        } catch  where error.code == .notFound {
            throw .objectGone
        } catch {
            throw ReconcileFailure(accessing: error)
        }
        guard newest.uid == object.uid, newest.generation == object.generation else {
            throw .transient(
                KubeError(
                    .conflict, activity: "reconciling \(object.ref)",
                    message: "the Secret is from a later generation than the one known here"))
        }
    }
}
