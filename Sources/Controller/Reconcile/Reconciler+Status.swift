import Envelope
import KubeClient
import Logging
import Resources

/// What is said of an outcome: in the status, the log and events.
extension Reconciler {
    /// The Secret was written: records it in memory, log, status and events.
    ///
    /// - Parameter envelope: what was written; nil if the data was right already.
    func recordSuccess(
        _ secret: ObjectMeta, over current: ObjectMeta?, _ blueprint: DesiredSecret, _ object: WrappedSecret,
        _ update: StatusUpdate, _ key: VerifiedEnvelopeCache.KeyVersion, _ envelope: OpenedEnvelope?
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        let ref = object.metadata.ref
        tracker.writes.complete(secret: secret)
        prove(secret, blueprint, ref, envelope)
        if secret.resourceVersion != current?.resourceVersion, requestsNothingNew(object, update.previous) {
            tracker.driftThrottles.recordRepair(ref)
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
            renderVersion: SyncPlan.renderVersion)
        let status = try await writeStatus(
            update.synced(
                made, keyID: key.id, keyVersion: key.version,
                at: DataOwnership(of: blueprint).lastWriteTime(secret)),
            object.metadata, update.previous)
        tracker.plaintextCache.remove(ref)
        events?.record(.secretWritten(secret, over: current, object, update.previous))
        return status
    }

    /// Remembers what the Secret holds as of this version.
    private func prove(
        _ secret: ObjectMeta, _ blueprint: DesiredSecret, _ ref: ObjectRef, _ envelope: OpenedEnvelope?
    ) {
        guard let envelope else {
            tracker.verifiedData.advance(
                ref, uid: secret.uid ?? "", to: secret.resourceVersion ?? "", isRecorded: true)
            return
        }
        guard let values = try? tracker.verifiedData.digest(envelope.entries) else {
            // Without a digest the Secret is verified by writing, as after a restart.
            tracker.verifiedData.forget(ref)
            return
        }
        let proof = VerifiedData(
            uid: secret.uid ?? "", resourceVersion: secret.resourceVersion ?? "",
            envelopeDigest: blueprint.envelope.digest, dataDigest: values)
        tracker.verifiedData.record(proof, for: ref, isRecorded: true)
    }

    /// Tells the status that the data was proved for a later version of the Secret, so that a restart need not prove it
    /// again. Each object at most once in a minute, and all together at the rate of `VerificationPacer`.
    func recordVerification(
        of secret: ObjectMeta, _ object: WrappedSecret, _ update: StatusUpdate
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        let ref = object.metadata.ref
        if let pause = tracker.verifiedData.delayBeforeStatusUpdate(ref) { throw .requeueAfter(pause) }
        if let turn = pacer.nextTurn(ref) { throw .throttled(until: turn) }
        let status = try await writeStatus(
            update.verified(secret.resourceVersion), object.metadata, update.previous)
        tracker.verifiedData.advance(
            ref, uid: secret.uid ?? "", to: secret.resourceVersion ?? "", isRecorded: true)
        return status
    }

    /// Writes the status of an object whose Secret is in sync. A writer that keeps changing it is answered ever more rarely.
    func updateStatus(
        _ secret: ObjectMeta, _ object: WrappedSecret, _ update: StatusUpdate
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        let ref = object.metadata.ref
        let isForeign = tracker.expectedStatuses.isExternallyModified(update.previous, of: object.metadata)
        if isForeign, let pause = tracker.statusThrottles.delayBeforeRepair(ref) {
            throw .requeueAfter(pause)
        }
        var status = update.restored(secret.resourceVersion, verified: now())
        if let digest = object.spec.envelope.droppedCiphertexts?.digest,
            let key = tracker.verifiedEnvelopes.keyVersion(of: object.metadata, digest: digest)
        {
            (status.keyID, status.keyVersion) = (key.id, key.version)
        }
        status = try await writeStatus(status, object.metadata, update.previous)
        guard isForeign else { return status }
        tracker.statusThrottles.recordRepair(ref)
        logger.info("status corrected: another writer had changed it", metadata: ["object": "\(ref)"])
        return status
    }

    /// The object has failed before in this very state. Only its status may have been changed meanwhile.
    func restoreTerminalStatus(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let next =
            tracker.terminalFailures.delayBeforeRetry(object.ref).map { WorkQueue.Outcome.requeue(after: $0) }
            ?? .done
        guard status != previous else { return next }
        if let pause = tracker.statusThrottles.delayBeforeRepair(object.ref) { return .requeue(after: pause) }
        do {
            try await writeStatus(status, object, previous)
            tracker.statusThrottles.recordRepair(object.ref)
            return next
        } catch .objectGone {
            return .done
        } catch {
            return .requeueRateLimited
        }
    }

    /// Says why, and decides when to try again.
    func recordFailure(
        _ object: ObjectMeta, previous: WrappedSecretStatus?, _ reason: Reason, _ message: String
    ) async -> WorkQueue.Outcome {
        failed(reason)
        let update = StatusUpdate(object: object, previous: previous, now: now())
        let status = update.failed(reason, message: message)
        let isForeign = tracker.expectedStatuses.isExternallyModified(previous, of: object)
        if isForeign, let pause = tracker.statusThrottles.delayBeforeRepair(object.ref) {
            // Another writer keeps changing the status, perhaps one that fails as well.
            return .requeue(after: pause)
        }
        if reason != .namespaceTerminating {
            logger.log(
                // The same failure again is no news.
                level: status == previous ? .debug : .warning, "not synced",
                metadata: [
                    "object": "\(object.ref)", "reason": "\(reason.rawValue)", "message": "\(message)",
                ])
            do {
                try await writeStatus(status, object, previous)
                if isForeign { tracker.statusThrottles.recordRepair(object.ref) }
                events?.record(EventRecord(.warning, reason.rawValue, message, about: object))
            } catch .objectGone {
                return .done
            } catch {
                return .requeueRateLimited
            }
        }
        switch reason {
        case .integrityFailed, .decryptFailed:
            // Mostly the object is at fault; a KMS that answers wrongly looks the same.
            tracker.rejectedEnvelopes.insert(object.ref)
            tracker.terminalFailures.record(object, status: status, retry: Self.refusedInterval)
            return .requeue(after: Self.refusedInterval * Double.random(in: 1...1.5))
        case _ where reason.isTerminal:
            tracker.terminalFailures.record(object, status: status)
            return .done
        case .secretMissing:
            return .backOff(from: unwatchedSecretInterval)
        case .secretConflict, .ownedByAnother:
            return .requeue(
                after: tracker.blockedObjects.delayBeforeNextPoll(
                    object.ref, interval: unwatchedSecretInterval))
        case .kmsUnavailable, .unwrapDenied, .keyUnavailable, .namespaceTerminating, .apiServerError:
            return .requeueRateLimited
        default:
            return .backOff(from: Self.initialBackoff)
        }
    }

    /// How often an envelope that did not open is tried again all the same.
    private static let refusedInterval = Duration.seconds(1800)

    /// Writes a status that says something new, and returns it. The uid is tested: a late write must not land on an object
    /// that was deleted and made again.
    @discardableResult
    func writeStatus(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        tracker.expectedStatuses.expect(status, of: object)
        guard status != previous else { return status }
        do {
            let patch = try StatusPatch.make(status, uid: object.uid ?? "")
            let written = try await client.patch(
                WrappedSecret.resource, object.ref, subresource: "status", .json(patch))
            tracker.writes.complete(status: status, on: written)
            return status
        } catch let error as KubeError where error.code == .notFound {
            tracker.expectedStatuses.forget(object.ref)
            throw .objectGone
        } catch let error as KubeError where error.code == .invalid || error.code == .conflict {
            // The uid is another one: the object was made again, and its own event is on the way.
            tracker.writes.forget(object: object.ref)
            throw .transient(error)
        } catch let error as KubeError {
            throw .transient(error)
        } catch {
            throw .transient(
                KubeError(
                    .malformedResponse, activity: "writing status of \(object.ref)", message: "\(error)"))
        }
    }
}
