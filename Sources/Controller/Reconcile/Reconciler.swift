import Envelope
import KubeClient
import Logging
import Primitives
import Resources

/// Brings one Secret in line with its WrappedSecret: load, plan, unwrap, write, report. Level-triggered: what happened does
/// not matter, only what is.
struct Reconciler: Sendable {
    let client: KubeClient
    let keys: KeyRing
    let objects: Store<Decoded<WrappedSecret>>
    let secrets: Store<ObjectMeta>
    let tracker: ObjectTracker
    let rules: OperatorRules
    /// Secrets that a WrappedSecret made under other names than it has now.
    let made: MadeSecrets
    let budget: UnwrapBudget
    let memory: MemoryBudget
    let pacer: VerificationPacer
    let now: @Sendable () -> String
    /// How many further objects will be looked at within moments.
    let crowd: @Sendable () -> Int
    var events: EventRecorder?
    /// Of this process, in messages about other writers.
    var identity = ""
    /// See `Controller.Options`.
    var foreignSecretInterval = Duration.seconds(20)
    let logger: Logger
    /// Is told why an object is not synced.
    var failed: @Sendable (Reason) -> Void = { _ in }
    /// Adds an object to the queue.
    var enqueue: @Sendable (ObjectRef) -> Void = { _ in }

    /// The pause after the first failure that does not pass in milliseconds.
    static let firstPause = Duration.seconds(1)

    func reconcile(_ ref: ObjectRef) async -> WorkQueue.Outcome {
        let outcome = await attempt(ref)
        // An object that waits has reserved nothing, unless it was served meanwhile, and keeps its place.
        if outcome != .waiting { memory.release(ref) }
        switch outcome {
        case .throttled, .waiting: break
        case .done:
            tracker.troubles.end(ref)
            tracker.held.drop(ref)
            tracker.blocked.remove(ref)
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
        let written = tracker.ownWrites.writtenStatus(ref)
        switch objects[ref] {
        case nil:
            return .done
        case .malformed(let metadata, let status, let problem):
            guard metadata.deletionTimestamp == nil else { return .done }
            let previous = written.map { $0.newest(for: metadata, status) } ?? status
            if let known = tracker.stalled.status(of: metadata) {
                return await keep(known, metadata, previous)
            }
            return await fail(
                metadata, previous: previous, .invalidSpec, "the object is malformed: \(problem)")
        case .object(let object):
            let previous = written.map { $0.newest(for: object.metadata, object.status) } ?? object.status
            if let known = tracker.stalled.status(of: object.metadata) {
                return await keep(known, object.metadata, previous)
            }
            return await reconcile(object, previous)
        }
    }

    private func reconcile(
        _ cached: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let ref = cached.metadata.ref
        do throws(Failure) {
            let object = cached.isAbridged ? try await readWhole(cached) : cached
            let target = ObjectRef(namespace: ref.namespace, name: object.secretName)
            var secret = tracker.ownWrites.secret(target, watched: secrets[target])
            if secret?.isAbridged == true { secret = try await look(target) }
            if let secret { tracker.held.unpin(ref, secret) }
            let plan = try await resolve(decide(object, secret, previous), object, previous)
            if let pause = truce(plan, object, previous) {
                tracker.troubles.end(ref)
                return await giveWay(plan, object, previous, for: pause)
            }
            let (status, next) = try await carryOutOrPostpone(plan, object, previous)
            tracker.troubles.end(ref)
            guard !plan.isRestraint else { return .done }
            tracker.blocked.remove(ref)
            if next == .done { tracker.statuses.set(status, of: object.metadata) }
            if let digest = plan.blueprint?.envelope.digest ?? object.spec.envelope.dropped?.digest {
                tracker.pending.release(ref, digest: digest)
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
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> (status: WrappedSecretStatus?, next: WorkQueue.Outcome) {
        do throws(Failure) {
            return (try await carryOut(plan, object, previous), .done)
        } catch .later(let pause) where plan.isAboutTheStatus {
            return (previous, .again(after: pause))
        } catch .throttled(let turn) where plan.isAboutTheStatus {
            return (previous, .throttled(until: turn))
        }
    }

    private func outcome(
        of failure: Failure, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let ref = object.metadata.ref
        switch failure {
        case .moot: return .done
        case .throttled(let instant): return .throttled(until: instant)
        case .waitsForMemory: return .waiting
        case .later(let pause): return .again(after: pause)
        case .again(let error):
            logger.log(
                level: error.isOrdinary ? .debug : .warning, "will retry",
                metadata: ["object": "\(ref)", "error": "\(error)"])
            guard error.isWorthTelling, tracker.troubles.last(ref) else { return .retry }
            let message = Failure.message(lasting: error)
            return await fail(object.metadata, previous: previous, .apiServerError, message)
        case .reason(let reason, let message):
            tracker.troubles.end(ref)
            return await fail(object.metadata, previous: previous, reason, message)
        }
    }

    /// How long to leave a Secret, or a status, to another writer who keeps changing it; nil if there is none, or the plan
    /// corrects nothing.
    private func truce(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) -> Duration? {
        plan.repairs && isAsBefore(object, previous) ? tracker.contests.truce(object.metadata.ref) : nil
    }

    /// Whether the object asks for nothing new, so that what is to be done is a repair.
    func isAsBefore(_ object: WrappedSecret, _ previous: WrappedSecretStatus?) -> Bool {
        previous?.secret?.generation == object.metadata.generation
            && previous?.secret?.mac == object.spec.envelope.mac
            && (object.requestedSync == nil || object.requestedSync == previous?.lastHandledSync)
    }

    private func giveWay(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?, for pause: Duration
    ) async -> WorkQueue.Outcome {
        let target = ObjectRef(namespace: object.metadata.ref.namespace, name: object.secretName)
        let outcome = await fail(
            object.metadata, previous: previous, .secretContested,
            "Secret \(object.secretName) is changed again each time it is repaired, by "
                + "\(rivals(for: secrets[target], plan.blueprint)); stop that writer, or set spec.suspend to true"
        )
        return outcome == .done ? .done : .again(after: pause)
    }

    /// Who keeps changing the Secret, by the API server's account.
    private func rivals(for secret: ObjectMeta?, _ blueprint: Blueprint?) -> String {
        guard let secret else { return "a writer that deletes it" }
        guard let blueprint, !secret.isAbridged else { return "another writer" }
        let names = DataOwnership(of: blueprint).rivals(secret)
        guard names.isEmpty else { return names.prefix(4).joined(separator: ", ") }
        // Every field is ours by name, and this process did not write this version.
        return
            "another Secrets Bridge with other settings (field manager \(blueprint.fieldManager), as this one"
            + "\(identity.isEmpty ? "" : ", \(identity)"))"
    }

    func update(_ object: WrappedSecret, _ previous: WrappedSecretStatus?) -> StatusUpdate {
        StatusUpdate(
            object: object.metadata, requestedSync: object.requestedSync,
            restartsWorkloads: !object.spec.workloads.isEmpty, previous: previous, now: now())
    }

    func decide(
        _ object: WrappedSecret, _ secret: ObjectMeta?, _ status: WrappedSecretStatus?
    ) -> Plan {
        let digest = object.spec.envelope.dropped?.digest ?? []
        return Plan.decide(
            object, secret: secret, status: status, rules: rules,
            isOpened: tracker.opened.key(of: object.metadata, digest: digest) != nil,
            proof: tracker.proofs[object.metadata.ref],
            isStatusForeign: tracker.statuses.isForeign(status, of: object.metadata))
    }

    /// Returns the status as it is then.
    private func carryOut(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> WrappedSecretStatus? {
        let update = update(object, previous)
        switch plan {
        case .nothing, .left, .seek, .verify, .confirm:
            return previous
        case .suspend:
            return try await write(update.suspended(), object.metadata, previous)
        case .refuse(let reason, let message):
            throw .reason(reason, message: message)
        case .create(let blueprint):
            let envelope = try await open(blueprint, object)
            let secret = try await create(blueprint, object, envelope)
            return try await finish(secret, over: nil, blueprint, object, update, .init(envelope), envelope)
        case .update(let blueprint, let current):
            return try await updateSecret(current, blueprint, object, update)
        case .verifyByWriting(let blueprint, let current):
            if let turn = pacer.wait(object.metadata.ref) { throw .throttled(until: turn) }
            return try await updateSecret(current, blueprint, object, update)
        case .relabel(let blueprint, let current):
            let secret: ObjectMeta
            do throws(Failure) {
                secret = try await patch(current, blueprint, object, nil)
            } catch  where error.needsNewSecret && object.spec.recreate == true {
                return try await updateSecret(current, blueprint, object, update)
            }
            // Of another generation than the status tells of, its own key is known: it was opened.
            let key =
                tracker.opened.key(of: object.metadata, digest: blueprint.envelope.digest)
                ?? .init(id: previous?.keyID, version: previous?.keyVersion)
            return try await finish(secret, over: current, blueprint, object, update, key, nil)
        case .recordProof(_, let current):
            return try await recordProof(of: current, object, update)
        case .updateStatus(_, let current):
            return try await updateStatus(current, object, update)
        }
    }

    private func updateSecret(
        _ current: ObjectMeta, _ blueprint: Blueprint, _ object: WrappedSecret, _ update: StatusUpdate
    ) async throws(Failure) -> WrappedSecretStatus {
        let envelope = try await open(blueprint, object)
        let secret: ObjectMeta
        if let merger = blueprint.merger {
            secret = try await merge(into: current, blueprint, merger, object, envelope, update.previous)
        } else {
            secret = try await replace(current, blueprint, object, envelope, update.previous)
        }
        return try await finish(secret, over: current, blueprint, object, update, .init(envelope), envelope)
    }

    /// The server knows no later generation than ours. A Secret from a later one is then from a time that never
    /// was: etcd was restored to an older state. A write that overtakes this read changes the Secret's version,
    /// and our patch fails.
    func confirmNewest(_ object: ObjectMeta) async throws(Failure) {
        let newest: ObjectMeta
        do {
            newest = try await client.getMetadata(WrappedSecret.resource, object.ref)
        } catch  where error.code == .notFound {
            throw .moot
        } catch {
            throw Failure(accessing: error)
        }
        guard newest.uid == object.uid, newest.generation == object.generation else {
            throw .again(
                KubeError(
                    .conflict, activity: "reconciling \(object.ref)",
                    message: "the Secret is from a later generation than the one known here"))
        }
    }
}
