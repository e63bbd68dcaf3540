import KubeClient
import Logging
import Resources

/// What an object left under names that its target had earlier.
extension Reconciler {
    /// The Secret has a new name: what carries the old one, and is still this object's alone, goes. Not before the
    /// new one is there.
    ///
    /// `Ready` is about the Secret that there is, and does not depend on it.
    func removeLeftovers(of object: WrappedSecret) async -> WorkQueue.Outcome {
        do throws(ReconcileFailure) {
            try await removeLeftSecrets(of: object)
            try await removeLeftEntries(of: object)
            return .done
        } catch {
            switch error {
            case .objectGone: return .done
            case .throttled(let instant): return .throttled(until: instant)
            case .waitingForMemory: return .waitingForMemory
            case .requeueAfter(let pause): return .requeue(after: pause)
            case .transient(let error):
                logger.log(
                    level: error.isExpected ? .debug : .warning, "will retry",
                    metadata: ["object": "\(object.metadata.ref)", "error": "\(error)"])
            case .notReady(let reason, let message):
                logger.warning(
                    "what an earlier name left cannot be removed",
                    metadata: [
                        "object": "\(object.metadata.ref)", "reason": "\(reason.rawValue)",
                        "message": "\(message)",
                    ])
                events?.record(EventRecord(.warning, "LeftoverNotRemoved", message, about: object.metadata))
            }
            return .requeueRateLimited
        }
    }

    private func removeLeftSecrets(of object: WrappedSecret) async throws(ReconcileFailure) {
        for name in ownedSecrets.ownedSecretNames(by: object.metadata.ref) where name != object.secretName {
            let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
            guard let secret = try await whole(secrets[ref]), secret.deletionTimestamp == nil,
                isLeftover(secret, of: object)
            else { continue }
            // With an older cache than somebody else's, the new Secret would look like the old one.
            try await verifyCacheIsCurrent(object.metadata)
            do {
                try await client.delete(
                    .secrets, ref,
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

    /// All of a Secret's metadata, which the cache may have in part.
    private func whole(_ secret: ObjectMeta?) async throws(ReconcileFailure) -> ObjectMeta? {
        guard let secret, secret.isAbridged else { return secret }
        return try await getIfExists(secret.ref)
    }

    /// Of an earlier generation, or of a predecessor of the same name and of nobody else besides. The latter is the
    /// garbage collector's work, which it does not know of when the owner was deleted and made anew while it did not
    /// watch: an API server that restarts is enough.
    private func isLeftover(_ secret: ObjectMeta, of object: WrappedSecret) -> Bool {
        guard OwnershipMetadata.owner(of: secret)?.uid == object.metadata.uid else {
            return secret.ownerReferences?.count == 1
        }
        guard let source = OwnershipMetadata.source(of: secret) else { return false }
        return source.uid == object.metadata.uid && source.generation < object.metadata.generation ?? 0
    }

    /// The same of entries in Secrets that are somebody else's. What others have set too stays.
    private func removeLeftEntries(of object: WrappedSecret) async throws(ReconcileFailure) {
        guard let uid = object.metadata.uid else { return }
        for name in ownedSecrets.mergedSecretNames(enteredBy: uid) where name != object.secretName {
            let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
            guard let secret = try await whole(secrets[ref]), secret.deletionTimestamp == nil,
                let merger = try? MergeIdentity(object.metadata.name),
                secret.managedFields?.contains(where: { $0.manager == merger.fieldManager }) == true,
                let source = OwnershipMetadata.source(of: secret, merger.sourceAnnotation), source.uid == uid,
                source.generation < object.metadata.generation ?? 0
            else { continue }
            try await verifyCacheIsCurrent(object.metadata)
            let body = SecretRendering.releaseBody(from: secret)
            tracker.writes.complete(secret: try await apply(body, to: secret, merger, isForced: false))
            logger.info(
                "entries taken out of a secret under an earlier name",
                metadata: ["object": "\(object.metadata.ref)", "secret": "\(name)"])
        }
    }
}
