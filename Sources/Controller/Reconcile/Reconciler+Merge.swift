import Cryptography
import Envelope
import KubeClient
import Resources

/// Entries of ours in a Secret that is somebody else's: server-side apply, under a field manager of the object's own.
extension Reconciler {
    /// Several may add to one Secret at once, and its owner may be at it too.
    private static let attempts = 8

    func merge(
        into secret: ObjectMeta, _ blueprint: DesiredSecret, _ merger: MergeIdentity, _ object: WrappedSecret,
        _ envelope: OpenedEnvelope, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> ObjectMeta {
        var current = secret
        var attempt = 1
        while true {
            do throws(ReconcileFailure) {
                return try await merge(once: current, blueprint, merger, object, envelope, previous)
            } catch .transient(let error) where error.code == .conflict && attempt < Self.attempts {
                // Somebody was faster. What is opened need not be opened again.
                guard let found = try await getIfExists(blueprint),
                    case .update(_, let newer) = decide(object, found, previous)
                else { throw .transient(error) }
                current = newer
                attempt += 1
            } catch  where error.requiresRecreation {
                throw .notReady(
                    .immutableSecret,
                    message:
                        "Secret \(current.name) is immutable; whoever makes it has to make it anew without that"
                )
            }
        }
    }

    /// Whoever has overwritten an entry or a mark of ours gives it back; nothing else is taken.
    private func merge(
        once current: ObjectMeta, _ blueprint: DesiredSecret, _ merger: MergeIdentity,
        _ object: WrappedSecret,
        _ envelope: OpenedEnvelope, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> ObjectMeta {
        let body = SecretRendering.applyBody(
            blueprint, of: object, to: current, entries: envelope.entries)
        do throws(ReconcileFailure) {
            return try await apply(body, to: current, merger, isForced: false)
        } catch {
            guard case .transient(let cause) = error, let contest = cause.fieldManagerConflicts else {
                throw error
            }
            let ours = SyncPlan.previouslyMergedEntries(
                of: object, in: current, blueprint, merger, previous?.secret)
            guard contest.fields.allSatisfy({ isOurs($0, current, blueprint, merger, ours) }) else {
                let conflict = MergeConflict(current, contest.fields, contest.managers)
                throw .notReady(conflict.reason, message: conflict.message)
            }
            return try await apply(body, to: current, merger, isForced: true)
        }
    }

    /// - Parameter field: as the API server names it.
    private func isOurs(
        _ field: String, _ secret: ObjectMeta, _ blueprint: DesiredSecret, _ merger: MergeIdentity,
        _ ours: Set<String>
    ) -> Bool {
        let data = ".data."
        guard field.hasPrefix(data) else {
            return field == ".metadata.labels.\(OwnershipMetadata.managedLabel)"
                || field == ".metadata.annotations.\(merger.sourceAnnotation)"
                || field == ".metadata.annotations.\(merger.entriesAnnotation)"
        }
        let entry = String(field.dropFirst(data.count))
        return ours.contains(entry)
            || !DataOwnership(of: blueprint).conflictingEntries(secret).entries.contains(entry)
    }

    /// Never creates: the body has the uid of `current`, and its version.
    func apply(
        _ body: SharedSecret, to current: ObjectMeta, _ merger: MergeIdentity, isForced: Bool
    ) async throws(ReconcileFailure) -> ObjectMeta {
        tracker.writes.begin(secret: current.ref)
        do {
            return try await client.patch(
                .secrets, current.ref,
                .apply(body: body, fieldManager: merger.fieldManager, force: isForced))
        } catch {
            tracker.writes.cancel(secret: current.ref)
            throw ReconcileFailure(accessing: error)
        }
    }
}
