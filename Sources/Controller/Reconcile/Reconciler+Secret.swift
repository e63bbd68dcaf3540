import Envelope
import KubeClient
import Logging
import Resources
import System

/// The writes of one reconcile, until one succeeds.
struct WriteAttempts {
    enum Result {
        case written(WrappedSecretStatus)
        /// Another writer was faster: the Secret has to be read again.
        case conflict(KubeError)
    }

    /// A merge is repeated, because several WrappedSecrets, and the owner, may write to one Secret at once.
    static let maximumMerges = 8

    /// The Secret as it was known before the first write. Events and the drift throttle compare with it.
    fileprivate var baseline: ObjectMeta?
    /// The values that were unwrapped and rendered for the first write.
    fileprivate var values: DesiredValues?
    fileprivate var count = 0

    fileprivate func retries(_ error: KubeError, isMerge: Bool) -> Bool {
        error.code == .alreadyExists
            ? count == 1 : isMerge && error.code == .conflict && count < Self.maximumMerges
    }
}

/// Writes of Secrets, and their preconditions.
extension Reconciler {
    /// Writes the Secret, and then the status.
    func write(
        _ action: SyncAction, _ request: ReconcileRequest, _ attempts: inout WriteAttempts
    ) async throws(ReconcileFailure) -> WriteAttempts.Result {
        try checkNotContested(request)
        if action == .verifyByWriting {
            if let turn = limits.verifications.nextTurn(request.ref) { throw .throttled(until: turn) }
        } else {
            // An object that waits for its unwrap, and verifies nothing any more, would hold up the verifications behind it.
            limits.verifications.forget(request.ref)
        }
        if attempts.count == 0 { attempts.baseline = request.current }
        attempts.count += 1
        if action == .updateMetadata, let current = request.current {
            do throws(ReconcileFailure) {
                let secret = try await patch(current, request, entries: nil)
                return .written(
                    try await recordSuccess(
                        secret, over: attempts.baseline, request, unwrappingKey(request), nil))
            } catch  where error.requiresRecreation && request.object.spec.recreate == true {
                // The update below recreates the Secret.
            }
        }
        let values: DesiredValues
        if let known = attempts.values { values = known } else { values = try await self.values(of: request) }
        attempts.values = values
        let secret: ObjectMeta
        do throws(ReconcileFailure) {
            if let current = request.current, let identity = request.desired.mergeIdentity {
                secret = try await merge(values.all, into: current, identity, request)
            } else if let current = request.current {
                secret = try await updateOrRecreate(current, request, values)
            } else {
                secret = try await create(request, values)
            }
        } catch .transient(let error)
            where attempts.retries(error, isMerge: request.desired.mergeIdentity != nil)
        {
            return .conflict(error)
        }
        return .written(
            try await recordSuccess(
                secret, over: attempts.baseline, request, UnwrappingKey(values.envelope), values.all))
    }

    /// Throws while another writer that keeps reverting our changes is to be left alone.
    private func checkNotContested(_ request: ReconcileRequest) throws(ReconcileFailure) {
        guard request.isSyncedBefore,
            let delay = tracker.withFailureRecord(request.ref, { $0.secretThrottle.delayBeforeRepair() })
        else { return }
        let writers = otherWriters(of: informers.secrets[request.secretRef], request.desired)
        throw .contested(
            message:
                "Secret \(request.desired.name) is changed again after each repair by \(writers); stop that writer, or "
                + "set spec.suspend to true",
            delay: delay)
    }

    /// Names the writers that keep changing the Secret, by its `managedFields`.
    private func otherWriters(of secret: ObjectMeta?, _ desired: DesiredSecret) -> String {
        guard let secret else { return "a writer that deletes it" }
        guard !secret.isAbridged else { return "another writer" }
        let managers = FieldOwnership(of: desired).otherManagers(secret)
        guard managers.isEmpty else { return managers.listed(limit: 4) }
        // All fields have our field manager, but this process did not write this version.
        let identity = options.identity.isEmpty ? "" : ", \(options.identity)"
        return
            "another Secrets Bridge with other settings (field manager \(desired.fieldManager), as this one\(identity))"
    }

    /// Returns the key that unwrapped the envelope. The status knows it only for the generation that it reports.
    private func unwrappingKey(_ request: ReconcileRequest) -> UnwrappingKey {
        tracker.syncRecord(request.ref).unwrappingKey(
            of: request.object.metadata, digest: request.desired.envelope.digest)
            ?? UnwrappingKey(id: request.previousStatus?.keyID, version: request.previousStatus?.keyVersion)
    }

    /// Creates the Secret with POST, and not with server-side apply, so that an existing one is not overwritten.
    private func create(
        _ request: ReconcileRequest, _ values: DesiredValues
    ) async throws(ReconcileFailure) -> ObjectMeta {
        let body = SecretRendering.createBody(
            request.desired, of: request.object, entries: values.all, adding: options.policy.labels)
        return try await send(to: request.secretRef) { () async throws(KubeError) in
            try await client.create(.secrets, request.secretRef, body: body)
        }
    }

    /// Makes the Secret equal to the desired one.
    ///
    /// - Parameter entries: the data, or nil if it does not change.
    private func patch(
        _ current: ObjectMeta, _ request: ReconcileRequest, entries: [SecretEntry]?
    ) async throws(ReconcileFailure) -> ObjectMeta {
        let (desired, object) = (request.desired, request.object)
        let ownership = SecretOwnership(
            of: current, for: object, state: nil,
            verified: tracker.syncRecord(request.ref).data)
        let isAdoption = if case .adoptable = ownership { true } else { false }
        let patch = SecretRendering.updatePatch(
            current, to: desired, of: object, entries: entries, adding: options.policy.labels,
            isAdoption: isAdoption)
        let written = try await send(.json(patch), to: current.ref)
        guard !desired.managesMetadata(of: written) else { return written }
        let body = SecretRendering.ownershipBody(
            desired, of: object, in: written, adding: options.policy.labels)
        return try await send(
            .apply(body: body, fieldManager: desired.fieldManager, force: true), to: written.ref)
    }

    func send(_ patch: Patch, to ref: ObjectRef) async throws(ReconcileFailure) -> ObjectMeta {
        try await send(to: ref) { () async throws(KubeError) in
            try await client.patch(.secrets, ref, patch)
        }
    }

    /// Sends a request that writes a Secret. What the cache shows of that Secret meanwhile may be our own write.
    private func send(
        to ref: ObjectRef, _ request: () async throws(KubeError) -> ObjectMeta
    ) async throws(ReconcileFailure) -> ObjectMeta {
        tracker.writes.begin(secret: ref)
        do {
            let written = try await request()
            tracker.writes.complete(secret: written)
            return written
        } catch {
            tracker.writes.cancel(secret: ref)
            throw ReconcileFailure(accessing: error)
        }
    }

    private func updateOrRecreate(
        _ current: ObjectMeta, _ request: ReconcileRequest, _ values: DesiredValues
    ) async throws(ReconcileFailure) -> ObjectMeta {
        do throws(ReconcileFailure) {
            return try await patch(current, request, entries: values.all)
        } catch  where error.requiresRecreation && request.object.spec.recreate == true {
            return try await recreate(current, request, values)
        }
    }

    /// Deletes a Secret that cannot be changed in place, and creates it again. A dry run first finds out whether the
    /// API server would reject the new one. The opened values are kept until the new Secret exists, because an outage
    /// of the KMS after the delete would otherwise leave no Secret at all.
    private func recreate(
        _ current: ObjectMeta, _ request: ReconcileRequest, _ values: DesiredValues
    ) async throws(ReconcileFailure) -> ObjectMeta {
        guard tracker.plaintextCache.hasRoomToPin(values.envelope, for: request.ref) else {
            logger.info(
                "secret is not recreated yet: others of its namespace, or many in all, are being recreated",
                metadata: ["object": "\(request.ref)", "secret": "\(request.desired.name)"])
            throw .requeueAfter(Self.pinDelay)
        }
        try await dryRun(current, request, values)
        do {
            try await client.delete(
                .secrets, current.ref,
                preconditions: DeletePreconditions(uid: current.uid, resourceVersion: current.resourceVersion)
            )
        } catch  where error.code == .notFound {
            // Another client has deleted it.
        } catch {
            throw ReconcileFailure(accessing: error)
        }
        tracker.plaintextCache.pin(
            values.envelope, digest: request.desired.envelope.digest, for: request.ref,
            deleted: current.uid ?? "")
        logger.info(
            "secret deleted, to be recreated",
            metadata: ["object": "\(request.ref)", "secret": "\(request.desired.name)"])
        return try await create(request, values)
    }

    /// The delay while too many other Secrets are being recreated.
    private static let pinDelay = Duration.seconds(5)

    /// Creates the new Secret in a dry run, under another name.
    private func dryRun(
        _ current: ObjectMeta, _ request: ReconcileRequest, _ values: DesiredValues
    ) async throws(ReconcileFailure) {
        // The same name each time, so that the message of a rejection, and with it the status, does not change.
        let ref = ObjectRef(
            namespace: request.desired.namespace,
            name: "secrets-bridge-\(request.object.metadata.uid ?? "probe")")
        do {
            let body = SecretRendering.createBody(
                request.desired, of: request.object, entries: values.all, adding: options.policy.labels,
                name: ref.name)
            _ = try await client.create(.secrets, ref, body: body, isDryRun: true)
        } catch  where error.quotaAllowsReplacement {
            // The quota counts both Secrets. It is the last check, so nothing else is wrong.
        } catch {
            throw ReconcileFailure(
                accessing: error.during("checking that Secret \(current.ref) can be recreated"))
        }
    }
}

extension DesiredSecret {
    /// Returns whether our field manager has every label and annotation of the template. After an adoption, an earlier
    /// manager may have set them to the same values.
    fileprivate func managesMetadata(of secret: ObjectMeta) -> Bool {
        let owned = secret.keysOwned(by: fieldManager)
        return owned.labels.isSuperset(of: labels.keys) && owned.annotations.isSuperset(of: annotations.keys)
    }
}
