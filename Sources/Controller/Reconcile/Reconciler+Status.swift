import Envelope
import KubeClient
import Logging
import Resources

/// Reports the result of a reconcile: in the status, the log and events.
extension Reconciler {
    /// Records a written Secret in the tracker, the log, the status and an event.
    ///
    /// - Parameters:
    ///   - baseline: the Secret as it was known before, or nil if none was.
    ///   - entries: the data that was written, or nil if it did not change.
    func recordSuccess(
        _ secret: ObjectMeta, over baseline: ObjectMeta?, _ request: ReconcileRequest, _ key: UnwrappingKey,
        _ entries: [SecretEntry]?
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        let (ref, object) = (request.ref, request.object)
        recordVerifiedData(secret, request, entries)
        if secret.resourceVersion != baseline?.resourceVersion, request.isSyncedBefore {
            tracker.withFailureRecord(ref) { $0.secretThrottle.recordRepair() }
        }
        logger.info(
            "secret written",
            metadata: [
                "object": "\(ref)", "uid": "\(object.metadata.uid ?? "")",
                "secret": "\(secret.name)", "key_id": "\(key.id ?? "")",
            ])
        let state = WrappedSecretStatus.SecretState(
            name: secret.name, uid: secret.uid ?? "", resourceVersion: secret.resourceVersion ?? "",
            generation: object.metadata.generation ?? 0, mac: object.spec.envelope.mac,
            templateHash: request.desired.templates.hash, renderVersion: SyncPlan.renderVersion)
        let update = StatusUpdate(object, previous: request.previousStatus, now: now())
        let status = try await writeStatus(
            update.synced(state, key: key, at: FieldOwnership(of: request.desired).lastWriteTime(secret)),
            object.metadata, request.previousStatus)
        tracker.plaintextCache.remove(ref)
        events?.record(.secretWritten(secret, over: baseline, object, request.previousStatus))
        return status
    }

    private func recordVerifiedData(
        _ secret: ObjectMeta, _ request: ReconcileRequest, _ entries: [SecretEntry]?
    ) {
        let (uid, version) = (secret.uid ?? "", secret.resourceVersion ?? "")
        guard let entries else {
            tracker.withSyncRecord(request.ref) {
                $0.dataUnchanged(uid: uid, resourceVersion: version, isRecorded: true)
            }
            return
        }
        // Without a digest, the Secret is verified by writing, as after a restart of this process.
        let digest = try? tracker.digester.digest(entries)
        let data = digest.map {
            VerifiedData(
                uid: uid, resourceVersion: version, sourceDigest: request.desired.sourceDigest,
                dataDigest: $0, isWholeSecret: request.desired.mergeIdentity == nil)
        }
        tracker.withSyncRecord(request.ref) { $0.dataWritten(data) }
    }

    /// Records in the status that the data was verified for a later version of the Secret, so that it need not be
    /// verified again after a restart: once per minute and object at most, and at the rate of `VerificationPacer`.
    ///
    /// - Returns: the status, and the outcome if it has to be written later.
    func recordVerification(
        _ request: ReconcileRequest
    ) async throws(ReconcileFailure) -> (WrappedSecretStatus?, WorkQueue.Outcome) {
        let (ref, previous) = (request.ref, request.previousStatus)
        if let delay = tracker.syncRecord(ref).delayBeforeRecording() {
            return (previous, .requeue(after: delay))
        }
        if let turn = limits.verifications.nextTurn(ref) { return (previous, .throttled(until: turn)) }
        let update = StatusUpdate(request.object, previous: previous, now: now())
        let status = try await writeStatus(
            update.verified(request.current?.resourceVersion), request.object.metadata, previous)
        let (uid, version) = (request.current?.uid ?? "", request.current?.resourceVersion ?? "")
        tracker.withSyncRecord(ref) { $0.dataUnchanged(uid: uid, resourceVersion: version, isRecorded: true) }
        return (status, .done)
    }

    /// Corrects the status of an object in sync. A writer that keeps changing it is answered after growing delays.
    ///
    /// - Returns: the status, and the outcome if it has to be written later.
    func updateStatus(
        _ request: ReconcileRequest
    ) async throws(ReconcileFailure) -> (WrappedSecretStatus?, WorkQueue.Outcome) {
        let (ref, object, previous) = (request.ref, request.object.metadata, request.previousStatus)
        let isModified = tracker.syncRecord(ref).isExternallyModified(previous, of: object)
        if isModified, let delay = tracker.withFailureRecord(ref, { $0.statusThrottle.delayBeforeRepair() }) {
            return (previous, .requeue(after: delay))
        }
        let time = now()
        var status = StatusUpdate(request.object, previous: previous, now: time)
            .restored(request.current?.resourceVersion, verified: time)
        if let digest = request.object.spec.envelope.droppedCiphertexts?.digest,
            let key = tracker.syncRecord(ref).unwrappingKey(of: object, digest: digest)
        {
            (status.keyID, status.keyVersion) = (key.id, key.version)
        }
        status = try await writeStatus(status, object, previous)
        if isModified {
            tracker.withFailureRecord(ref) { $0.statusThrottle.recordRepair() }
            logger.info("status corrected: another writer had changed it", metadata: ["object": "\(ref)"])
        }
        return (status, .done)
    }

    /// Handles an object that has failed terminally in its present state. Only its status may have to be corrected.
    func restoreTerminalStatus(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        let ref = object.ref
        let retry = tracker.withFailureRecord(ref) { $0.delayBeforeRetry() }
        let next = retry.map { WorkQueue.Outcome.requeue(after: $0) } ?? .done
        guard status != previous else { return next }
        if let delay = tracker.withFailureRecord(ref, { $0.statusThrottle.delayBeforeRepair() }) {
            return .requeue(after: delay)
        }
        do {
            try await writeStatus(status, object, previous)
            tracker.withFailureRecord(ref) { $0.statusThrottle.recordRepair() }
            return next
        } catch .objectGone {
            return .done
        } catch {
            return .requeueRateLimited
        }
    }

    /// Reports a failure, and decides when the object is tried again.
    func recordFailure(
        _ object: ObjectMeta, _ previous: WrappedSecretStatus?, _ reason: Reason, _ message: String,
        provider: ResolvedProvider? = nil
    ) async -> ReconcileResult {
        let ref = object.ref
        let status = StatusUpdate(object: object, previous: previous, now: now()).failed(
            reason, message: message)
        let isModified = tracker.syncRecord(ref).isExternallyModified(previous, of: object)
        if isModified, let delay = tracker.withFailureRecord(ref, { $0.statusThrottle.delayBeforeRepair() }) {
            // Another writer keeps changing the status, perhaps another controller that fails too.
            return ReconcileResult(.requeue(after: delay), reason: reason)
        }
        // Nothing can be written into a terminating namespace that would still be read.
        if reason != .namespaceTerminating {
            logger.log(
                // The same failure as before is not logged again.
                level: status == previous ? .debug : .warning, "not synced",
                metadata: ["object": "\(ref)", "reason": "\(reason.rawValue)", "message": "\(message)"])
            do {
                try await writeStatus(status, object, previous)
                if isModified { tracker.withFailureRecord(ref) { $0.statusThrottle.recordRepair() } }
                events?.record(EventRecord(.warning, reason.rawValue, message, about: object))
            } catch .objectGone {
                return ReconcileResult(.done, reason: reason)
            } catch {
                return ReconcileResult(.requeueRateLimited, reason: reason)
            }
        }
        return ReconcileResult(outcome(of: reason, object, status, provider), reason: reason)
    }

    private func outcome(
        of reason: Reason, _ object: ObjectMeta, _ status: WrappedSecretStatus,
        _ provider: ResolvedProvider?
    ) -> WorkQueue.Outcome {
        let ref = object.ref
        switch reason {
        case .integrityFailed, .decryptFailed:
            // Mostly the object is at fault, but a KMS that returns wrong data keys looks the same.
            tracker.rejectedEnvelopes.insert(ref)
            // Others need the room. A retry reads the ciphertexts again.
            tracker.pendingCiphertexts.remove(ref)
            tracker.withFailureRecord(ref) {
                $0.failedTerminally(
                    object, status: status, provider: provider, retryAfter: Self.rejectedInterval)
            }
            return .requeue(after: Self.rejectedInterval * Double.random(in: 1...1.5))
        case _ where reason.isTerminal:
            tracker.pendingCiphertexts.remove(ref)
            tracker.withFailureRecord(ref) { $0.failedTerminally(object, status: status, provider: provider) }
            return .done
        case .secretMissing:
            return .backOff(from: options.unwatchedSecretInterval)
        case .secretConflict, .ownedByAnother:
            return .requeue(
                after: tracker.blockedObjects.delayBeforeNextPoll(
                    ref, interval: options.unwatchedSecretInterval))
        case .kmsUnavailable, .unwrapDenied, .keyUnavailable, .namespaceTerminating, .apiServerError:
            return .requeueRateLimited
        default:
            return .backOff(from: Self.initialBackoff)
        }
    }

    /// How often an envelope that could not be opened is tried again although only a change of it should help.
    private static let rejectedInterval = Duration.seconds(1800)

    /// Writes a status that differs from the previous one. Tests the uid, so that a late write does not land on an
    /// object that was deleted and created again.
    @discardableResult
    func writeStatus(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> WrappedSecretStatus {
        tracker.withSyncRecord(object.ref) { $0.expectStatus(status, of: object) }
        guard status != previous else { return status }
        do {
            let patch = StatusUpdate.patch(status, uid: object.uid ?? "")
            let written = try await client.patch(
                WrappedSecret.resource, object.ref, subresource: "status", .json(patch))
            tracker.writes.complete(status: status, on: written)
            return status
        } catch  where error.code == .notFound {
            tracker.withSyncRecord(object.ref) { $0.forgetStatus() }
            throw .objectGone
        } catch {
            if error.code == .invalid || error.code == .conflict {
                // The uid has changed: the object was created again, and the watch will show that.
                tracker.writes.forget(object: object.ref)
            }
            throw .transient(error)
        }
    }
}
