import Envelope
import KubeClient
import Logging
import Resources
import System

/// What is read and written of Secrets, and under which conditions.
extension Reconciler {
    /// POST, never apply: what exists is not overwritten. If something does, it is read and judged.
    func create(
        _ blueprint: DesiredSecret, _ object: WrappedSecret, _ envelope: OpenedEnvelope
    ) async throws(ReconcileFailure) -> ObjectMeta {
        let ref = ObjectRef(namespace: blueprint.namespace, name: blueprint.name)
        tracker.writes.begin(secret: ref)
        do {
            let body = SecretRendering.createBody(
                blueprint, of: object, entries: envelope.entries, adding: policy.labels)
            return try await client.create(.secrets, ref, body: body)
        } catch  where error.code == .alreadyExists {
            tracker.writes.cancel(secret: ref)
            let current = try await read(ref)
            switch SyncPlan.decide(
                object, secret: current, status: nil, rules: policy,
                proof: tracker.verifiedData[object.metadata.ref]
            )
            {
            case .update(_, let current):
                return try await patch(current, blueprint, object, envelope.entries)
            case .block(let reason, let message):
                throw .notReady(reason, message: message)
            default:
                throw .transient(error)
            }
        } catch {
            tracker.writes.cancel(secret: ref)
            throw ReconcileFailure(accessing: error)
        }
    }

    /// - Parameter entries: nil if the data is as it should be.
    func patch(
        _ current: ObjectMeta, _ blueprint: DesiredSecret, _ object: WrappedSecret, _ entries: [SecretEntry]?,
        made: WrappedSecretStatus.SecretState? = nil
    ) async throws(ReconcileFailure) -> ObjectMeta {
        let claim = SecretOwnership(
            current, for: object, made: made, proof: tracker.verifiedData[object.metadata.ref])
        let isAdoption = if case .adoptable = claim { true } else { false }
        let patch = SecretRendering.updatePatch(
            current, to: blueprint, of: object, entries: entries, adding: policy.labels,
            isAdoption: isAdoption
        )
        let written = try await send(.json(patch), to: current)
        guard !blueprint.owns(written) else { return written }
        let body = SecretRendering.ownershipBody(blueprint, of: object, in: written, adding: policy.labels)
        return try await send(
            .apply(body: body, fieldManager: blueprint.fieldManager, force: true), to: written)
    }

    private func send(_ patch: Patch, to current: ObjectMeta) async throws(ReconcileFailure) -> ObjectMeta {
        tracker.writes.begin(secret: current.ref)
        do {
            return try await client.patch(.secrets, current.ref, patch)
        } catch {
            // Whatever we believed of the Secret is to be looked up before the next try.
            tracker.writes.cancel(secret: current.ref)
            throw ReconcileFailure(accessing: error)
        }
    }

    /// Makes a Secret that is ours equal to the blueprint.
    func updateOrRecreate(
        _ current: ObjectMeta, _ blueprint: DesiredSecret, _ object: WrappedSecret,
        _ envelope: OpenedEnvelope,
        _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> ObjectMeta {
        do throws(ReconcileFailure) {
            return try await patch(
                current, blueprint, object, envelope.entries, made: previous?.secret)
        } catch  where error.requiresRecreation && object.spec.recreate == true {
            return try await recreate(current, blueprint, object, envelope)
        }
    }

    /// Deletes a Secret that cannot be changed in place and creates it again, where the object allows that. A dry run finds
    /// out first whether the API server would refuse the new one. The opened values are kept until the new Secret exists,
    /// so that an outage of the KMS after the delete does not leave none.
    func recreate(
        _ current: ObjectMeta, _ blueprint: DesiredSecret, _ object: WrappedSecret, _ envelope: OpenedEnvelope
    ) async throws(ReconcileFailure) -> ObjectMeta {
        guard tracker.plaintextCache.hasRoomToPin(envelope) else { throw .requeueAfter(Self.pinPause) }
        try await probe(current, blueprint, object, envelope)
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
            envelope, digest: blueprint.envelope.digest, for: object.metadata.ref, deleted: current.uid ?? "")
        logger.info(
            "secret deleted, to be recreated",
            metadata: ["object": "\(object.metadata.ref)", "secret": "\(blueprint.name)"])
        return try await create(blueprint, object, envelope)
    }

    /// How long to wait while too many other Secrets are being recreated.
    private static let pinPause = Duration.seconds(5)

    /// Creates the Secret in a dry run, beside the one that it is to replace.
    private func probe(
        _ current: ObjectMeta, _ blueprint: DesiredSecret, _ object: WrappedSecret, _ envelope: OpenedEnvelope
    ) async throws(ReconcileFailure) {
        // The same name each time, so that the message of a refusal, and with it the status, stays the same.
        let probe = ObjectRef(
            namespace: blueprint.namespace, name: "secrets-bridge-\(object.metadata.uid ?? "probe")")
        do {
            let body = SecretRendering.createBody(
                blueprint, of: object, entries: envelope.entries, adding: policy.labels, name: probe.name)
            _ = try await client.create(.secrets, probe, body: body, isDryRun: true)
        } catch  where QuotaMessage(error)?.admitsReplacement == true {
            // The quota counts both; it is the last check, so nothing else is wrong.
        } catch {
            throw ReconcileFailure(
                accessing: error.during("checking that Secret \(current.ref) can be recreated"))
        }
    }

    /// The Secret of the blueprint's name, which any writer may have created; nil if there is none.
    func getIfExists(_ blueprint: DesiredSecret) async throws(ReconcileFailure) -> ObjectMeta? {
        try await getIfExists(ObjectRef(namespace: blueprint.namespace, name: blueprint.name))
    }

    func getIfExists(_ ref: ObjectRef) async throws(ReconcileFailure) -> ObjectMeta? {
        do {
            return try await client.get(SecretMetadata.self, ref).metadata
        } catch  where error.code == .notFound {
            return nil
        } catch {
            throw ReconcileFailure(accessing: error)
        }
    }

    private func read(_ ref: ObjectRef) async throws(ReconcileFailure) -> ObjectMeta {
        do {
            return try await client.get(SecretMetadata.self, ref).metadata
        } catch {
            throw ReconcileFailure(accessing: error)
        }
    }
}

extension DesiredSecret {
    /// Whether we manage every label and annotation of the template, by the API server's account. After an adoption an
    /// earlier manager may have set them to the same values.
    fileprivate func owns(_ secret: ObjectMeta) -> Bool {
        let owned = secret.keysOwned(by: fieldManager)
        return owned.labels.isSuperset(of: labels.keys) && owned.annotations.isSuperset(of: annotations.keys)
    }
}
