import Cryptography
import Envelope
import KubeClient
import Resources

/// Merges entries into a Secret of another writer: server-side apply, with a field manager for each WrappedSecret.
extension Reconciler {
    /// Writes the entries, and never creates the Secret, because the body contains its uid and resourceVersion.
    func merge(
        _ entries: [SecretEntry], into current: ObjectMeta, _ identity: MergeIdentity,
        _ request: ReconcileRequest
    ) async throws(ReconcileFailure) -> ObjectMeta {
        let body = SecretRendering.applyBody(
            request.desired, of: request.object, to: current, entries: entries)
        do throws(ReconcileFailure) {
            return try await applyWithConflicts(body, to: current, identity, request)
        } catch  where error.requiresRecreation {
            throw .notReady(
                .immutableSecret,
                message: "Secret \(current.name) is immutable; its owner has to recreate it as mutable")
        }
    }

    /// Takes back entries and annotations of ours that another manager has overwritten, and takes nothing else.
    private func applyWithConflicts(
        _ body: SharedSecret, to current: ObjectMeta, _ identity: MergeIdentity, _ request: ReconcileRequest
    ) async throws(ReconcileFailure) -> ObjectMeta {
        do throws(ReconcileFailure) {
            return try await apply(body, to: current, identity, isForced: false)
        } catch {
            guard case .transient(let cause) = error, let conflict = cause.fieldManagerConflicts else {
                throw error
            }
            let merged = SyncPlan.previouslyMergedEntries(
                of: request.object, in: current, request.desired, identity, request.previousStatus?.secret)
            guard conflict.fields.allSatisfy({ isOurs($0, current, request.desired, identity, merged) })
            else {
                let blocked = MergeConflict(current, conflict.fields, conflict.managers).blocked
                throw .notReady(blocked.reason, message: blocked.message)
            }
            return try await apply(body, to: current, identity, isForced: true)
        }
    }

    /// - Parameter field: the field in the API server's notation.
    private func isOurs(
        _ field: String, _ secret: ObjectMeta, _ desired: DesiredSecret, _ identity: MergeIdentity,
        _ merged: Set<String>
    ) -> Bool {
        let data = ".data."
        guard field.hasPrefix(data) else {
            return field == ".metadata.labels.\(OwnershipMetadata.managedLabel)"
                || field == ".metadata.annotations.\(identity.sourceAnnotation)"
                || field == ".metadata.annotations.\(identity.entriesAnnotation)"
        }
        let entry = String(field.dropFirst(data.count))
        return merged.contains(entry)
            || !FieldOwnership(of: desired).conflictingEntries(secret).entries.contains(entry)
    }

    func apply(
        _ body: SharedSecret, to current: ObjectMeta, _ identity: MergeIdentity, isForced: Bool
    ) async throws(ReconcileFailure) -> ObjectMeta {
        try await send(
            .apply(body: body, fieldManager: identity.fieldManager, force: isForced), to: current.ref)
    }
}
