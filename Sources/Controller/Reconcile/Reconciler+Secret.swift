import Envelope
import KubeClient
import Logging
import Primitives
import Resources

/// What is read and written of Secrets, and under which conditions.
extension Reconciler {
    func open(
        _ blueprint: Blueprint, _ object: WrappedSecret
    ) async throws(Failure) -> OpenedEnvelope {
        if let wait = budget.take(object.metadata.ref) {
            if wait.isNews {
                logger.warning(
                    "namespace has spent its unwraps: its objects wait for their turn (--kms-namespace-rate)",
                    metadata: ["namespace": "\(blueprint.namespace)"])
            }
            throw .throttled(until: wait.until)
        }
        let audit = UnwrapAudit(object.metadata, blueprint.envelope, logger)
        do {
            let envelope = try await blueprint.envelope.open(with: keys, followedBy: crowd())
            audit.succeeded(envelope)
            opened.insert(object, .init(envelope))
            return envelope
        } catch {
            audit.failed(error)
            if error.spentNoUnwrap { budget.giveBack(object.metadata.ref) }
            throw Failure(opening: error)
        }
    }

    /// POST, never apply: what exists is not overwritten. If something does, it is read and judged.
    func create(
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
            case .nothing, .left, .suspend, .create, .seek, .confirm, .relabel:
                throw .again(error)
            }
        } catch {
            ownWrites.forget(secret: ref)
            throw Failure(accessing: error)
        }
    }

    func patch(
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

    /// Makes a Secret that is ours equal to the blueprint.
    func replace(
        _ current: ObjectMeta, _ blueprint: Blueprint, _ object: WrappedSecret, _ envelope: OpenedEnvelope
    ) async throws(Failure) -> ObjectMeta {
        do throws(Failure) {
            return try await patch(current, blueprint, object, envelope.entries)
        } catch  where error.needsNewSecret && object.spec.recreate == true {
            return try await recreate(current, blueprint, object, envelope)
        }
    }

    /// What cannot be changed in place is deleted and made anew, where the object allows that. All that the API
    /// server could have against the new one is found out before: a Secret that works does not go for one that is
    /// refused.
    func recreate(
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

    /// The Secret of the blueprint's name, whoever made it; nil: there is none.
    func look(_ blueprint: Blueprint) async throws(Failure) -> ObjectMeta? {
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
}
