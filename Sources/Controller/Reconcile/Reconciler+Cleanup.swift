import KubeClient
import Logging
import Resources

/// Removes what an object left in Secrets that its target was before it was renamed.
extension Reconciler {
    /// Deletes Secrets under earlier names, and merged entries in them, once the Secret under the new name exists.
    /// `Ready` is about the current Secret, and does not change.
    func removeLeftovers(of object: WrappedSecret) async -> WorkQueue.Outcome {
        var budget = RequestBudget(lastExamined: tracker.cleanupPosition(of: object.metadata))
        do throws(ReconcileFailure) {
            try await deleteFormerSecrets(of: object, &budget)
            try await releaseFormerEntries(of: object, &budget)
            tracker.setCleanupPosition(budget.isSpent ? budget.lastExamined : nil, of: object.metadata)
            guard budget.isSpent else { return .done }
            return .requeue(after: budget.hasRemoved ? Self.cleanupDelay : Self.examinationDelay)
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

    /// The Secrets about which one reconcile sends requests. Users can give an object thousands of Secrets that look like those
    /// of earlier names, and other objects wait for the worker.
    private struct RequestBudget {
        private var left = 16
        var hasRemoved = false
        private(set) var isSpent = false
        /// The name of the last Secret with merged entries that was examined, perhaps by an earlier reconcile.
        var lastExamined: String?

        init(lastExamined: String?) { self.lastExamined = lastExamined }

        /// - Returns: False if the requests about one more Secret have to wait for the next reconcile.
        mutating func spend() -> Bool {
            isSpent = left == 0
            left -= isSpent ? 0 : 1
            return !isSpent
        }
    }

    /// The delay before the next Secrets are removed.
    private static let cleanupDelay = Duration.seconds(1)
    /// The delay before the next Secrets are examined, if none of the last ones had to be changed.
    static let examinationDelay = Duration.seconds(300)

    private func deleteFormerSecrets(
        of object: WrappedSecret, _ budget: inout RequestBudget
    ) async throws(ReconcileFailure) {
        for name in informers.ownedSecrets.ownedSecretNames(by: object.metadata.ref)
        where name != object.secretName {
            let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: name)
            guard let secret = informers.secrets[ref], isLeftover(secret, of: object) else { continue }
            guard budget.spend() else { return }
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
            budget.hasRemoved = true
            logger.info(
                "secret under an earlier name deleted",
                metadata: ["object": "\(object.metadata.ref)", "secret": "\(name)"])
        }
    }

    /// Returns whether an earlier generation of the object created the Secret, or a predecessor of the same name that
    /// is its only owner. The latter is the garbage collector's task, but an owner that was deleted and created again
    /// while the garbage collector did not watch, as when the API server restarts, is unknown to it.
    private func isLeftover(_ secret: ObjectMeta, of object: WrappedSecret) -> Bool {
        guard secret.deletionTimestamp == nil else { return false }
        guard OwnershipMetadata.owner(of: secret)?.uid == object.metadata.uid else {
            // The cache may not have all owners of a Secret that it has in part.
            return !secret.isAbridged && secret.ownerReferences?.count == 1
        }
        guard let source = OwnershipMetadata.source(of: secret) else { return false }
        return source.uid == object.metadata.uid && source.generation < object.metadata.generation ?? 0
    }

    /// Removes merged entries. Entries that other managers have set too stay. Goes on after the last name that was examined:
    /// Secrets that only look like those of earlier names would otherwise spend the budget each time.
    private func releaseFormerEntries(
        of object: WrappedSecret, _ budget: inout RequestBudget
    ) async throws(ReconcileFailure) {
        guard let uid = object.metadata.uid else { return }
        let namespace = object.metadata.ref.namespace
        for name in informers.ownedSecrets.mergedSecretNames(by: uid, in: namespace)
        where name != object.secretName && name > budget.lastExamined ?? "" {
            let secret = ObjectRef(namespace: namespace, name: name)
            guard try await releaseEntries(of: object, in: secret, &budget) else { return }
            budget.lastExamined = name
        }
    }

    /// Removes what an earlier generation of the object merged into a Secret, if anything.
    ///
    /// - Returns: False if the requests have to wait for the next reconcile.
    private func releaseEntries(
        of object: WrappedSecret, in ref: ObjectRef, _ budget: inout RequestBudget
    ) async throws(ReconcileFailure) -> Bool {
        guard var secret = informers.secrets[ref] else { return true }
        if secret.isAbridged {
            guard budget.spend() else { return false }
            guard let whole = try await getIfExists(ref) else { return true }
            secret = whole
        }
        guard secret.deletionTimestamp == nil,
            let identity = try? MergeIdentity(object.metadata.name),
            secret.managedFields?.contains(where: { $0.manager == identity.fieldManager }) == true,
            let source = OwnershipMetadata.source(of: secret, identity.sourceAnnotation),
            source.uid == object.metadata.uid,
            source.generation < object.metadata.generation ?? 0
        else { return true }
        guard budget.spend() else { return false }
        try await verifyCacheIsCurrent(object.metadata)
        let body = SecretRendering.releaseBody(from: secret)
        _ = try await apply(body, to: secret, identity, isForced: false)
        budget.hasRemoved = true
        logger.info(
            "entries removed from a secret under an earlier name",
            metadata: ["object": "\(object.metadata.ref)", "secret": "\(ref.name)"])
        return true
    }
}
