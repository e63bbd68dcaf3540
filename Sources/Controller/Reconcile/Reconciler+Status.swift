import Envelope
import KubeClient
import Logging
import Resources

/// What is said of an outcome: in the status, the log and events.
extension Reconciler {
    /// The Secret was written: records it in memory, log, status and events.
    ///
    /// - Parameter envelope: what was written; nil if the data was right already.
    func finish(
        _ secret: ObjectMeta, over current: ObjectMeta?, _ blueprint: Blueprint, _ object: WrappedSecret,
        _ update: StatusUpdate, _ key: OpenedEnvelopes.Key, _ envelope: OpenedEnvelope?
    ) async throws(Failure) -> WrappedSecretStatus {
        let ref = object.metadata.ref
        tracker.ownWrites.wrote(secret: secret)
        prove(secret, blueprint, ref, envelope)
        if secret.resourceVersion != current?.resourceVersion, isAsBefore(object, update.previous) {
            tracker.contests.repaired(ref)
        }
        logger.info(
            "secret written",
            metadata: [
                "object": "\(ref)", "uid": "\(object.metadata.uid ?? "")",
                "secret": "\(secret.name)", "key_id": "\(key.id ?? "")",
            ])
        let made = WrappedSecretStatus.SecretState(
            name: secret.name, uid: secret.uid ?? "", resourceVersion: secret.resourceVersion ?? "",
            generation: object.metadata.generation ?? 0, mac: object.spec.envelope.mac,
            renderVersion: Plan.renderVersion)
        let status = try await write(
            update.synced(
                made, keyID: key.id, keyVersion: key.version,
                at: DataOwnership(of: blueprint).lastWrite(secret)),
            object.metadata, update.previous)
        tracker.held.drop(ref)
        events?.record(.written(secret, over: current, object, update.previous))
        return status
    }

    /// Remembers what the Secret holds as of this version.
    private func prove(
        _ secret: ObjectMeta, _ blueprint: Blueprint, _ ref: ObjectRef, _ envelope: OpenedEnvelope?
    ) {
        guard let envelope else {
            tracker.proofs.move(
                ref, uid: secret.uid ?? "", to: secret.resourceVersion ?? "", isRecorded: true)
            return
        }
        guard let values = try? tracker.proofs.digest(envelope.entries) else {
            // Without a digest the Secret is verified by writing, as after a restart.
            tracker.proofs.forget(ref)
            return
        }
        let proof = SecretProof(
            uid: secret.uid ?? "", resourceVersion: secret.resourceVersion ?? "",
            envelope: blueprint.envelope.digest, values: values)
        tracker.proofs.record(proof, for: ref, isRecorded: true)
    }

    /// Tells the status that the data was proved for a later version of the Secret, so that a restart need not prove it
    /// again. Each object at most once in a minute, and all together at the rate of `VerificationPacer`.
    func recordProof(
        of secret: ObjectMeta, _ object: WrappedSecret, _ update: StatusUpdate
    ) async throws(Failure) -> WrappedSecretStatus {
        let ref = object.metadata.ref
        if let pause = tracker.proofs.recordPause(ref) { throw .later(pause) }
        if let turn = pacer.wait(ref) { throw .throttled(until: turn) }
        let status = try await write(
            update.verified(secret.resourceVersion), object.metadata, update.previous)
        tracker.proofs.move(
            ref, uid: secret.uid ?? "", to: secret.resourceVersion ?? "", isRecorded: true)
        return status
    }

    /// Writes the status of an object whose Secret is in sync. A writer that keeps changing it is answered ever more rarely.
    func updateStatus(
        _ secret: ObjectMeta, _ object: WrappedSecret, _ update: StatusUpdate
    ) async throws(Failure) -> WrappedSecretStatus {
        let ref = object.metadata.ref
        let isForeign = tracker.statuses.isForeign(update.previous, of: object.metadata)
        if isForeign, let pause = tracker.statusContests.truce(ref) { throw .later(pause) }
        var status = update.restored(secret.resourceVersion, verified: now())
        if let digest = object.spec.envelope.dropped?.digest,
            let key = tracker.opened.key(of: object.metadata, digest: digest)
        {
            (status.keyID, status.keyVersion) = (key.id, key.version)
        }
        status = try await write(status, object.metadata, update.previous)
        guard isForeign else { return status }
        tracker.statusContests.repaired(ref)
        logger.info("status corrected: another writer had changed it", metadata: ["object": "\(ref)"])
        return status
    }

    /// The object has failed before in this very state. Only its status may have been changed meanwhile.
    func keep(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let next = tracker.stalled.nextTry(object.ref).map { WorkQueue.Outcome.again(after: $0) } ?? .done
        guard status != previous else { return next }
        if let pause = tracker.statusContests.truce(object.ref) { return .again(after: pause) }
        do {
            try await write(status, object, previous)
            tracker.statusContests.repaired(object.ref)
            return next
        } catch .moot {
            return .done
        } catch {
            return .retry
        }
    }

    /// Says why, and decides when to try again.
    func fail(
        _ object: ObjectMeta, previous: WrappedSecretStatus?, _ reason: Reason, _ message: String
    ) async -> WorkQueue.Outcome {
        failed(reason)
        let update = StatusUpdate(object: object, previous: previous, now: now())
        let status = update.failed(reason, message: message)
        let isForeign = tracker.statuses.isForeign(previous, of: object)
        if isForeign, let pause = tracker.statusContests.truce(object.ref) {
            // Another writer keeps changing the status, perhaps one that fails as well.
            return .again(after: pause)
        }
        if reason != .namespaceTerminating {
            logger.log(
                // The same failure again is no news.
                level: status == previous ? .debug : .warning, "not synced",
                metadata: [
                    "object": "\(object.ref)", "reason": "\(reason.rawValue)", "message": "\(message)",
                ])
            do {
                try await write(status, object, previous)
                if isForeign { tracker.statusContests.repaired(object.ref) }
                events?.record(EventNote(.warning, reason.rawValue, message, about: object))
            } catch .moot {
                return .done
            } catch {
                return .retry
            }
        }
        switch reason {
        case .integrityFailed, .decryptFailed:
            // Mostly the object is at fault; a KMS that answers wrongly looks the same.
            tracker.refused.insert(object.ref)
            tracker.stalled.insert(object, status: status, retry: Self.refusedInterval)
            return .again(after: Self.refusedInterval * Double.random(in: 1...1.5))
        case _ where reason.waitsForChange:
            tracker.stalled.insert(object, status: status)
            return .done
        case .secretMissing:
            return .backOff(from: foreignSecretInterval)
        case .secretConflict, .ownedByAnother:
            return .again(after: tracker.blocked.pause(object.ref, interval: foreignSecretInterval))
        case .kmsUnavailable, .unwrapDenied, .keyUnavailable, .namespaceTerminating, .apiServerError:
            return .retry
        default:
            return .backOff(from: Self.firstPause)
        }
    }

    /// How often an envelope that did not open is tried again all the same.
    private static let refusedInterval = Duration.seconds(1800)

    /// Writes a status that says something new, and returns it. The uid is tested: a late write must not land on an object
    /// that was deleted and made again.
    @discardableResult
    func write(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> WrappedSecretStatus {
        tracker.statuses.set(status, of: object)
        guard status != previous else { return status }
        do {
            let patch = try StatusPatch.make(status, uid: object.uid ?? "")
            let written = try await client.patch(
                WrappedSecret.resource, object.ref, subresource: "status", .json(patch))
            tracker.ownWrites.wrote(status: status, on: written)
            return status
        } catch let error as KubeError where error.code == .notFound {
            tracker.statuses.forget(object.ref)
            throw .moot
        } catch let error as KubeError where error.code == .invalid || error.code == .conflict {
            // The uid is another one: the object was made again, and its own event is on the way.
            tracker.ownWrites.forget(object: object.ref)
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
