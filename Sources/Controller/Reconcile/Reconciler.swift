import Envelope
import KubeClient
import Logging
import Primitives
import Resources

/// Brings one Secret in line with its WrappedSecret: load, plan, unwrap, write, say so. Level-triggered:
/// what happened does not matter, only what is.
struct Reconciler: Sendable {
    let client: KubeClient
    let keys: KeyRing
    let objects: Store<Decoded<WrappedSecret>>
    let secrets: Store<ObjectMeta>
    let ownWrites: OwnWrites
    let stalled: StalledObjects
    let opened: OpenedEnvelopes
    let rules: OperatorRules
    /// Secrets that a WrappedSecret made under other names than it has now.
    let made: MadeSecrets
    let contests: Contests
    let troubles: Troubles
    let budget: UnwrapBudget
    let now: @Sendable () -> String
    /// How many further objects will be looked at within moments.
    let crowd: @Sendable () -> Int
    var events: EventRecorder?
    /// See `Controller.Options`.
    var foreignSecretInterval = Duration.seconds(20)
    let logger: Logger
    /// Is told why an object is not synced.
    var failed: @Sendable (Reason) -> Void = { _ in }

    func reconcile(_ ref: ObjectRef) async -> WorkQueue.Outcome {
        let outcome = await attempt(ref)
        // What does not wait for its turn at the KMS needs none any more.
        if case .throttled = outcome {} else { budget.forget(ref) }
        if outcome == .done { troubles.end(ref) }
        return outcome
    }

    private func attempt(_ ref: ObjectRef) async -> WorkQueue.Outcome {
        let written = ownWrites.writtenStatus(ref)
        switch objects[ref] {
        case nil:
            return .done
        case .malformed(let metadata, let status, let problem):
            guard metadata.deletionTimestamp == nil, !stalled.contains(metadata) else { return .done }
            let previous = written.map { $0.newest(for: metadata, status) } ?? status
            return await fail(
                metadata, previous: previous, .invalidSpec, "the object is malformed: \(problem)")
        case .object(let object):
            guard !stalled.contains(object.metadata) else { return .done }
            let previous = written.map { $0.newest(for: object.metadata, object.status) } ?? object.status
            return await reconcile(object, previous)
        }
    }

    private func reconcile(
        _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let target = ObjectRef(namespace: object.metadata.ref.namespace, name: object.secretName)
        do throws(Failure) {
            let secret = ownWrites.secret(target, watched: secrets[target])
            let plan = decide(object, secret, previous)
            if let pause = truce(plan, object, previous) {
                return await giveWay(plan, object, previous, for: pause)
            }
            let status = try await carryOut(plan, object, previous)
            guard !plan.isRestraint else { return .done }
            try await removeLeftovers(of: object)
            return try await restartWorkloads(of: object, status)
        } catch {
            switch error {
            case .moot:
                return .done
            case .again(let error):
                logger.log(
                    level: error.isOrdinary ? .debug : .warning, "will retry",
                    metadata: ["object": "\(object.metadata.ref)", "error": "\(error)"])
                guard error.isWorthTelling, troubles.last(object.metadata.ref) else { return .retry }
                let message = Failure.message(lasting: error)
                return await fail(object.metadata, previous: previous, .apiServerError, message)
            case .throttled(let instant):
                return .throttled(until: instant)
            case .reason(let reason, let message):
                troubles.end(object.metadata.ref)
                return await fail(object.metadata, previous: previous, reason, message)
            }
        }
    }

    /// How long to leave a Secret to whoever fights us for it; nil: there is no fight, or it is not a repair.
    private func truce(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) -> Duration? {
        plan.repairs && isAsBefore(object, previous) ? contests.truce(object.metadata.ref) : nil
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
        let rivals =
            secrets[target].map { secret in
                plan.blueprint.map { DataOwnership(of: $0).rivals(secret) } ?? []
            } ?? ["somebody who deletes it"]
        let names = rivals.isEmpty ? "another writer" : rivals.prefix(4).joined(separator: ", ")
        let outcome = await fail(
            object.metadata, previous: previous, .secretContested,
            "Secret \(object.secretName) is changed again each time it is repaired, by \(names); stop that, or set "
                + "spec.suspend to true")
        return outcome == .done ? .done : .again(after: pause)
    }

    func update(_ object: WrappedSecret, _ previous: WrappedSecretStatus?) -> StatusUpdate {
        StatusUpdate(
            object: object.metadata, requestedSync: object.requestedSync,
            restartsWorkloads: !object.spec.workloads.isEmpty, previous: previous, now: now())
    }

    private func decide(
        _ object: WrappedSecret, _ secret: ObjectMeta?, _ status: WrappedSecretStatus?
    ) -> Plan {
        Plan.decide(
            object, secret: secret, status: status, rules: rules, isOpened: opened.contains(object))
    }

    /// Returns the status as it is then.
    private func carryOut(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> WrappedSecretStatus? {
        let update = update(object, previous)
        switch plan {
        case .nothing, .left:
            return previous
        case .suspend:
            return try await write(update.suspended(), object.metadata, previous)
        case .refuse(let reason, let message):
            throw .reason(reason, message: message)
        case .create(let blueprint):
            // The watch sees only what carries our label. Of an object that is new nothing is known, and a Secret
            // in its way is found by the attempt; for any other a look costs less than a key.
            if previous?.condition(.ready) != nil, let found = try await look(blueprint) {
                let plan = decide(object, found, previous)
                guard case .create = plan else { return try await carryOut(plan, object, previous) }
            }
            let envelope = try await open(blueprint, object)
            let secret = try await create(blueprint, object, envelope)
            return try await finish(
                secret, over: nil, blueprint, object, update, OpenedEnvelopes.Key(envelope))
        case .seek(let blueprint):
            guard let found = try await look(blueprint) else {
                throw .reason(
                    .secretMissing,
                    message:
                        "there is no Secret \(blueprint.name) to add entries to (creationPolicy Merge); whoever "
                        + "makes it has to annotate it \(Markers.allow)=merge")
            }
            return try await carryOut(decide(object, found, previous), object, previous)
        case .update(let blueprint, let current):
            let envelope = try await open(blueprint, object)
            let secret: ObjectMeta
            if let merger = blueprint.merger {
                secret = try await merge(into: current, blueprint, merger, object, envelope, previous)
            } else {
                secret = try await replace(current, blueprint, object, envelope)
            }
            return try await finish(
                secret, over: current, blueprint, object, update, OpenedEnvelopes.Key(envelope))
        case .relabel(let blueprint, let current):
            let secret: ObjectMeta
            do throws(Failure) {
                secret = try await patch(current, blueprint, object, nil)
            } catch  where error.needsNewSecret && object.spec.recreate == true {
                return try await carryOut(.update(blueprint, current: current), object, previous)
            }
            // Of another generation than the status tells of, its own key is known: it was opened.
            let key = opened.key(of: object) ?? .init(id: previous?.keyID, version: previous?.keyVersion)
            return try await finish(secret, over: current, blueprint, object, update, key)
        case .confirm(let blueprint, let current):
            try await confirmNewest(object.metadata)
            return try await carryOut(.update(blueprint, current: current), object, previous)
        }
    }

    /// The server knows no later generation than ours. A Secret from a later one is then from a time that never
    /// was: etcd was restored to an older state. A write that overtakes this read changes the Secret's version,
    /// and our patch fails.
    func confirmNewest(_ object: ObjectMeta) async throws(Failure) {
        let newest: ObjectMeta
        do {
            newest = try await client.get(WrappedSecret.self, object.ref).metadata
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
