import KubeClient
import Logging
import Resources

/// Removes what an object left in Secrets that its target was before it was renamed.
extension Reconciler {
    /// Deletes Secrets under earlier names, and merged entries in them, once the Secret under the new name exists.
    /// `Ready` is about the current Secret, and does not change.
    func removeLeftovers(of object: WrappedSecret) async -> WorkQueue.Outcome {
        do throws(ReconcileFailure) {
            try await deleteFormerSecrets(of: object)
            try await releaseFormerEntries(of: object)
            return .done
        } catch {
            switch error {
            case .objectGone, .throttled, .waitingForMemory, .waitingForProvider, .requeueAfter, .contested:
                return error.silentOutcome ?? .requeueRateLimited
            case .transient(let error):
                logger.log(
                    level: error.isExpected ? .debug : .warning, "will retry",
                    metadata: ["object": "\(object.metadata.ref)", "error": "\(error)"])
            case .notReady(let reason, let message, _):
                logger.warning(
                    "cannot remove what was left under an earlier name",
                    metadata: [
                        "object": "\(object.metadata.ref)", "reason": "\(reason.rawValue)",
                        "message": "\(message)",
                    ])
                events?.record(EventRecord(.warning, "LeftoverNotRemoved", message, about: object.metadata))
            }
            return .requeueRateLimited
        }
    }

    private func deleteFormerSecrets(of object: WrappedSecret) async throws(ReconcileFailure) {
        for name in informers.ownedSecrets.ownedSecretNames(by: object.metadata.ref)
        where name != object.secretName {
            guard let secret = try await cachedSecret(name, of: object), isLeftover(secret, of: object)
            else { continue }
            // To a cache behind that of another replica, the new Secret would look like the former one.
            try await verifyCacheIsCurrent(object.metadata)
            do {
                try await client.delete(
                    .secrets, secret.ref,
                    preconditions: DeletePreconditions(
                        uid: secret.uid, resourceVersion: secret.resourceVersion))
            } catch  where error.code == .notFound {
                continue
            } catch {
                throw ReconcileFailure(accessing: error)
            }
            logger.info(
                "secret under an earlier name deleted",
                metadata: ["object": "\(object.metadata.ref)", "secret": "\(name)"])
        }
    }

    /// Returns the metadata of a Secret that the cache has and that is not terminating. Reads what the cache has in
    /// part.
    private func cachedSecret(
        _ name: String, of object: WrappedSecret
    ) async throws(ReconcileFailure) -> ObjectMeta? {
        let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
        var secret = informers.secrets[ref]
        if secret?.isAbridged == true { secret = try await getIfExists(ref) }
        return secret?.deletionTimestamp == nil ? secret : nil
    }

    /// Returns whether an earlier generation of the object created the Secret, or a predecessor of the same name that
    /// is its only owner. The latter is the garbage collector's task, but an owner that was deleted and created again
    /// while the garbage collector did not watch, as when the API server restarts, is unknown to it.
    private func isLeftover(_ secret: ObjectMeta, of object: WrappedSecret) -> Bool {
        guard OwnershipMetadata.owner(of: secret)?.uid == object.metadata.uid else {
            return secret.ownerReferences?.count == 1
        }
        guard let source = OwnershipMetadata.source(of: secret) else { return false }
        return source.uid == object.metadata.uid && source.generation < object.metadata.generation ?? 0
    }

    /// Removes merged entries. Entries that other managers have set too stay.
    private func releaseFormerEntries(of object: WrappedSecret) async throws(ReconcileFailure) {
        guard let uid = object.metadata.uid else { return }
        for name in informers.ownedSecrets.mergedSecretNames(by: uid) where name != object.secretName {
            guard let secret = try await cachedSecret(name, of: object),
                let identity = try? MergeIdentity(object.metadata.name),
                secret.managedFields?.contains(where: { $0.manager == identity.fieldManager }) == true,
                let source = OwnershipMetadata.source(of: secret, identity.sourceAnnotation),
                source.uid == uid,
                source.generation < object.metadata.generation ?? 0
            else { continue }
            try await verifyCacheIsCurrent(object.metadata)
            let body = SecretRendering.releaseBody(from: secret)
            _ = try await apply(body, to: secret, identity, isForced: false)
            logger.info(
                "entries removed from a secret under an earlier name",
                metadata: ["object": "\(object.metadata.ref)", "secret": "\(name)"])
        }
    }
}
