import Envelope
import KubeClient
import Primitives
import Resources

/// Entries of ours in a Secret that is somebody else's: server-side apply, under a field manager of the object's own.
extension Reconciler {
    /// Several may add to one Secret at once, and its owner may be at it too.
    private static let attempts = 8

    func merge(
        into secret: ObjectMeta, _ blueprint: Blueprint, _ merger: Merger, _ object: WrappedSecret,
        _ envelope: OpenedEnvelope, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> ObjectMeta {
        var current = secret
        var attempt = 1
        while true {
            do throws(Failure) {
                return try await merge(once: current, blueprint, merger, object, envelope, previous)
            } catch .again(let error) where error.code == .conflict && attempt < Self.attempts {
                // Somebody was faster. What is opened need not be opened again.
                guard let found = try await look(blueprint),
                    case .update(_, let newer) = decide(object, found, previous)
                else { throw .again(error) }
                current = newer
                attempt += 1
            } catch  where error.needsNewSecret {
                throw .reason(
                    .immutableSecret,
                    message:
                        "Secret \(current.name) is immutable; whoever makes it has to make it anew without that"
                )
            }
        }
    }

    /// Whoever has overwritten an entry or a mark of ours gives it back; nothing else is taken.
    private func merge(
        once current: ObjectMeta, _ blueprint: Blueprint, _ merger: Merger, _ object: WrappedSecret,
        _ envelope: OpenedEnvelope, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> ObjectMeta {
        let body = SecretRendering.application(
            blueprint, of: object, to: current, entries: envelope.entries)
        do throws(Failure) {
            return try await apply(body, to: current, merger, isForced: false)
        } catch {
            guard case .again(let cause) = error, let contest = cause.contest else { throw error }
            let ours = Plan.mergedEntries(of: object, in: current, blueprint, merger, previous?.secret)
            guard contest.fields.allSatisfy({ isOurs($0, current, blueprint, merger, ours) }) else {
                let conflict = MergeConflict(current, contest.fields, contest.managers)
                throw .reason(conflict.reason, message: conflict.message)
            }
            return try await apply(body, to: current, merger, isForced: true)
        }
    }

    /// - Parameter field: as the API server names it.
    private func isOurs(
        _ field: String, _ secret: ObjectMeta, _ blueprint: Blueprint, _ merger: Merger, _ ours: Set<String>
    ) -> Bool {
        let data = ".data."
        guard field.hasPrefix(data) else {
            return field == ".metadata.labels.\(Markers.managed)"
                || field == ".metadata.annotations.\(merger.source)"
                || field == ".metadata.annotations.\(merger.entries)"
        }
        let entry = String(field.dropFirst(data.count))
        return ours.contains(entry) || !DataOwnership(of: blueprint).claims(secret).entries.contains(entry)
    }

    /// Never creates: the body has the uid of `current`, and its version.
    func apply(
        _ body: SharedSecret, to current: ObjectMeta, _ merger: Merger, isForced: Bool
    ) async throws(Failure) -> ObjectMeta {
        tracker.ownWrites.willWrite(secret: current.ref)
        do {
            return try await client.patch(
                .secrets, current.ref,
                .apply(body: body, fieldManager: merger.fieldManager, force: isForced))
        } catch {
            tracker.ownWrites.forget(secret: current.ref)
            throw Failure(accessing: error)
        }
    }
}
