import KubeClient
import Logging
import Resources

/// What an object left under names that its target had earlier.
extension Reconciler {
    /// The Secret has a new name: what carries the old one, and is still this object's alone, goes. Not before the
    /// new one is there.
    func removeLeftovers(of object: WrappedSecret) async throws(Failure) {
        try await removeLeftSecrets(of: object)
        try await removeLeftEntries(of: object)
    }

    private func removeLeftSecrets(of object: WrappedSecret) async throws(Failure) {
        for name in made.names(by: object.metadata.ref) where name != object.secretName {
            let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
            guard let secret = secrets[ref], secret.deletionTimestamp == nil, isLeftover(secret, of: object)
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

    /// Of an earlier generation, or of a predecessor of the same name and of nobody else besides. The latter is the
    /// garbage collector's work, which it does not know of when the owner was deleted and made anew while it did not
    /// watch: an API server that restarts is enough.
    private func isLeftover(_ secret: ObjectMeta, of object: WrappedSecret) -> Bool {
        guard Markers.owner(of: secret)?.uid == object.metadata.uid else {
            return secret.ownerReferences?.count == 1
        }
        guard let source = Markers.source(of: secret) else { return false }
        return source.uid == object.metadata.uid && source.generation < object.metadata.generation ?? 0
    }

    /// The same of entries in Secrets that are somebody else's. What others have set too stays.
    private func removeLeftEntries(of object: WrappedSecret) async throws(Failure) {
        guard let uid = object.metadata.uid else { return }
        for name in made.names(enteredBy: uid) where name != object.secretName {
            let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
            guard let secret = secrets[ref], secret.deletionTimestamp == nil,
                let merger = try? Merger(object.metadata.name),
                let source = Markers.source(of: secret, merger.source), source.uid == uid,
                source.generation < object.metadata.generation ?? 0
            else { continue }
            try await confirmNewest(object.metadata)
            try await apply(SecretRendering.withdrawal(from: secret), to: secret, merger, isForced: false)
            logger.info(
                "entries taken out of a secret under an earlier name",
                metadata: ["object": "\(object.metadata.ref)", "secret": "\(name)"])
        }
    }
}
