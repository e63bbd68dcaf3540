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
    let now: @Sendable () -> String
    /// How many further objects will be looked at within moments.
    let crowd: @Sendable () -> Int
    var events: EventRecorder?
    let logger: Logger
    /// Is told why an object is not synced.
    var failed: @Sendable (Reason) -> Void = { _ in }

    func reconcile(_ ref: ObjectRef) async -> WorkQueue.Outcome {
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
            try await carryOut(plan, object, previous)
            if !plan.isRestraint { try await removeLeftovers(of: object) }
            return .done
        } catch {
            switch error {
            case .moot:
                return .done
            case .again(let error):
                logger.log(
                    level: error.isOrdinary ? .debug : .warning, "will retry",
                    metadata: ["object": "\(object.metadata.ref)", "error": "\(error)"])
                return .retry
            case .reason(let reason, let message):
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
    private func isAsBefore(_ object: WrappedSecret, _ previous: WrappedSecretStatus?) -> Bool {
        previous?.secret?.generation == object.metadata.generation
            && previous?.secret?.mac == object.spec.envelope.mac
            && (object.requestedSync == nil || object.requestedSync == previous?.lastHandledSync)
    }

    private func giveWay(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?, for pause: Duration
    ) async -> WorkQueue.Outcome {
        let target = ObjectRef(namespace: object.metadata.ref.namespace, name: object.secretName)
        let rivals = secrets[target].map(Contests.rivals) ?? "somebody who deletes it"
        let outcome = await fail(
            object.metadata, previous: previous, .secretContested,
            "Secret \(object.secretName) is changed again each time it is repaired, by \(rivals); stop that, or set "
                + "spec.suspend to true")
        return outcome == .done ? .done : .again(after: pause)
    }

    private func decide(
        _ object: WrappedSecret, _ secret: ObjectMeta?, _ status: WrappedSecretStatus?
    ) -> Plan {
        Plan.decide(
            object, secret: secret, status: status, rules: rules, isOpened: opened.contains(object))
    }

    private func carryOut(
        _ plan: Plan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(Failure) {
        let update = StatusUpdate(
            object: object.metadata, requestedSync: object.requestedSync, previous: previous, now: now())
        switch plan {
        case .nothing, .left:
            break
        case .suspend:
            try await write(update.suspended(), object.metadata, previous)
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
            try await finish(secret, over: nil, object, update, OpenedEnvelopes.Key(envelope))
        case .update(let blueprint, let current):
            let envelope = try await open(blueprint, object)
            let secret: ObjectMeta
            do throws(Failure) {
                secret = try await patch(current, blueprint, object, envelope.entries)
            } catch  where error.needsNewSecret && object.spec.recreate == true {
                secret = try await recreate(current, blueprint, object, envelope)
            }
            try await finish(secret, over: current, object, update, OpenedEnvelopes.Key(envelope))
        case .relabel(let blueprint, let current):
            let secret: ObjectMeta
            do throws(Failure) {
                secret = try await patch(current, blueprint, object, nil)
            } catch  where error.needsNewSecret && object.spec.recreate == true {
                return try await carryOut(.update(blueprint, current: current), object, previous)
            }
            // Of another generation than the status tells of, its own key is known: it was opened.
            let key = opened.key(of: object) ?? .init(id: previous?.keyID, version: previous?.keyVersion)
            try await finish(secret, over: current, object, update, key)
        case .confirm(let blueprint, let current):
            try await confirmNewest(object.metadata)
            try await carryOut(.update(blueprint, current: current), object, previous)
        }
    }

    /// The server knows no later generation than ours. A Secret from a later one is then from a time that never
    /// was: etcd was restored to an older state. A write that overtakes this read changes the Secret's version,
    /// and our patch fails.
    private func confirmNewest(_ object: ObjectMeta) async throws(Failure) {
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

    private func open(
        _ blueprint: Blueprint, _ object: WrappedSecret
    ) async throws(Failure) -> OpenedEnvelope {
        let audit = UnwrapAudit(object.metadata, blueprint.envelope, logger)
        do {
            let envelope = try await blueprint.envelope.open(with: keys, followedBy: crowd())
            audit.succeeded(envelope)
            opened.insert(object, .init(envelope))
            return envelope
        } catch {
            audit.failed(error)
            throw Failure(opening: error)
        }
    }

    /// POST, never apply: what exists is not overwritten. If something does, it is read and judged.
    private func create(
        _ blueprint: Blueprint, _ object: WrappedSecret, _ envelope: OpenedEnvelope
    ) async throws(Failure) -> ObjectMeta {
        let ref = ObjectRef(namespace: blueprint.namespace, name: blueprint.name)
        ownWrites.willWrite(secret: ref)
        do {
            let body = SecretRendering.manifest(
                blueprint, of: object, entries: envelope.entries, adding: rules.labels)
            return try await client.create(.secrets, ref, body: body)
        } catch  where error.code == .alreadyExists {
            ownWrites.forget(secret: ref)
            let current = try await read(ref)
            switch Plan.decide(object, secret: current, status: nil, rules: rules) {
            case .update(_, let current):
                return try await patch(current, blueprint, object, envelope.entries)
            case .refuse(let reason, let message):
                throw .reason(reason, message: message)
            case .nothing, .left, .suspend, .create, .confirm, .relabel:
                throw .again(error)
            }
        } catch {
            ownWrites.forget(secret: ref)
            throw Failure(accessing: error)
        }
    }

    private func patch(
        _ current: ObjectMeta, _ blueprint: Blueprint, _ object: WrappedSecret, _ entries: [SecretEntry]?
    ) async throws(Failure) -> ObjectMeta {
        let patch = SecretRendering.patch(
            current, to: blueprint, of: object, entries: entries, adding: rules.labels)
        ownWrites.willWrite(secret: current.ref)
        do {
            return try await client.patch(.secrets, current.ref, .json(patch))
        } catch {
            // Whatever we believed of the Secret is to be looked up before the next try.
            ownWrites.forget(secret: current.ref)
            throw Failure(accessing: error)
        }
    }

    /// What cannot be changed in place is deleted and made anew, where the object allows that. All that the API
    /// server could have against the new one is found out before: a Secret that works does not go for one that is
    /// refused.
    private func recreate(
        _ current: ObjectMeta, _ blueprint: Blueprint, _ object: WrappedSecret, _ envelope: OpenedEnvelope
    ) async throws(Failure) -> ObjectMeta {
        let probe = ObjectRef(
            namespace: blueprint.namespace, name: "secrets-bridge-\(UInt64.random(in: 0 ... .max))")
        do {
            let body = SecretRendering.manifest(
                blueprint, of: object, entries: envelope.entries, adding: rules.labels, name: probe.name)
            _ = try await client.create(.secrets, probe, body: body, isDryRun: true)
            try await client.delete(
                .secrets, current.ref,
                preconditions: Preconditions(uid: current.uid, resourceVersion: current.resourceVersion))
        } catch  where error.code == .notFound {
            // Somebody was faster.
        } catch {
            throw Failure(accessing: error)
        }
        logger.info(
            "secret deleted, to be made anew",
            metadata: ["object": "\(object.metadata.ref)", "secret": "\(blueprint.name)"])
        return try await create(blueprint, object, envelope)
    }

    /// The Secret has a new name: what carries the old one, and is still this object's alone, goes. Not before the
    /// new one is there.
    private func removeLeftovers(of object: WrappedSecret) async throws(Failure) {
        for name in made.names(by: object.metadata.ref) where name != object.secretName {
            let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
            guard let secret = secrets[ref], Markers.owner(of: secret)?.uid == object.metadata.uid,
                secret.deletionTimestamp == nil, let source = Markers.source(of: secret),
                source.uid == object.metadata.uid, source.generation < object.metadata.generation ?? 0
            else { continue }
            // With an older cache than somebody else's, the new Secret would look like the old one.
            try await confirmNewest(object.metadata)
            do {
                try await client.delete(
                    .secrets, ref,
                    preconditions: Preconditions(uid: secret.uid, resourceVersion: secret.resourceVersion))
            } catch  where error.code == .notFound {
                continue
            } catch {
                throw Failure(accessing: error)
            }
            logger.info(
                "secret under an earlier name deleted",
                metadata: ["object": "\(object.metadata.ref)", "secret": "\(name)"])
        }
    }

    /// The Secret of the blueprint's name, whoever made it; nil: there is none.
    private func look(_ blueprint: Blueprint) async throws(Failure) -> ObjectMeta? {
        do {
            let ref = ObjectRef(namespace: blueprint.namespace, name: blueprint.name)
            return try await client.get(SecretMetadata.self, ref).metadata
        } catch  where error.code == .notFound {
            return nil
        } catch {
            throw Failure(accessing: error)
        }
    }

    private func read(_ ref: ObjectRef) async throws(Failure) -> ObjectMeta {
        do {
            return try await client.get(SecretMetadata.self, ref).metadata
        } catch {
            throw Failure(accessing: error)
        }
    }

    private func finish(
        _ secret: ObjectMeta, over current: ObjectMeta?, _ object: WrappedSecret, _ update: StatusUpdate,
        _ key: OpenedEnvelopes.Key
    ) async throws(Failure) {
        ownWrites.wrote(secret: secret)
        if secret.resourceVersion != current?.resourceVersion, isAsBefore(object, update.previous) {
            contests.repaired(object.metadata.ref)
        }
        logger.info(
            "secret written",
            metadata: [
                "object": "\(object.metadata.ref)", "uid": "\(object.metadata.uid ?? "")",
                "secret": "\(secret.name)", "key_id": "\(key.id ?? "")",
            ])
        let made = WrappedSecretStatus.SecretState(
            name: secret.name, uid: secret.uid ?? "", resourceVersion: secret.resourceVersion ?? "",
            generation: object.metadata.generation ?? 0, mac: object.spec.envelope.mac,
            renderVersion: Plan.renderVersion)
        try await write(
            update.synced(
                made, keyID: key.id, keyVersion: key.version, at: DataOwnership.lastWrite(secret)),
            object.metadata, update.previous)
        events?.record(.written(secret, over: current, object, update.previous))
    }

    /// Says why, and decides when to try again.
    private func fail(
        _ object: ObjectMeta, previous: WrappedSecretStatus?, _ reason: Reason, _ message: String
    ) async -> WorkQueue.Outcome {
        failed(reason)
        let update = StatusUpdate(object: object, previous: previous, now: now())
        if reason != .namespaceTerminating {
            let status = update.failed(reason, message: message)
            logger.log(
                // The same failure again is no news.
                level: status == previous ? .debug : .warning, "not synced",
                metadata: [
                    "object": "\(object.ref)", "reason": "\(reason.rawValue)", "message": "\(message)",
                ])
            do {
                try await write(status, object, previous)
                events?.record(EventNote(.warning, reason.rawValue, message, about: object))
            } catch .moot {
                return .done
            } catch {
                return .retry
            }
        }
        switch reason {
        case _ where reason.waitsForChange:
            stalled.insert(object)
            return .done
        // No event tells of a change to a Secret that is not ours.
        case .secretConflict, .ownedByAnother: return .again(after: .seconds(20))
        default: return .retry
        }
    }

    /// Writes a status that says something new. The uid is tested: a late write must not land on an object
    /// that was deleted and made again.
    private func write(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async throws(Failure) {
        guard status != previous else { return }
        do {
            let patch = try StatusPatch.make(status, uid: object.uid ?? "")
            let written = try await client.patch(
                WrappedSecret.resource, object.ref, subresource: "status", .json(patch))
            ownWrites.wrote(status: status, on: written)
        } catch let error as KubeError where error.code == .notFound {
            throw .moot
        } catch let error as KubeError where error.code == .invalid || error.code == .conflict {
            // The uid is another one: the object was made again, and its own event is on the way.
            ownWrites.forget(object: object.ref)
            throw .again(error)
        } catch let error as KubeError {
            throw .again(error)
        } catch {
            throw .again(
                KubeError(
                    .malformedResponse, activity: "writing status of \(object.ref)", message: "\(error)"))
        }
    }
}
