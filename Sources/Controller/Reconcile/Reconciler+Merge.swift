import Envelope
import KubeClient
import Primitives
import Resources

/// Entries of ours in a Secret that is somebody else's: server-side apply, under a field manager of the object's own.
extension Reconciler {
    func merge(
        into current: ObjectMeta, _ blueprint: Blueprint, _ merger: Merger, _ object: WrappedSecret,
        _ envelope: OpenedEnvelope, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> ObjectMeta {
        let body = SecretRendering.application(
            blueprint, of: object, to: current, entries: envelope.entries)
        // These very entries were ours before: whoever owns one now has overwritten it.
        let wasOurs =
            previous?.secret?.uid == current.uid && previous?.secret?.mac == object.spec.envelope.mac
        do throws(Failure) {
            return try await apply(body, to: current, merger, isForced: wasOurs)
        } catch .again(let error) where !error.contestedFields.isEmpty {
            throw Self.contested(error.contestedFields, current, blueprint)
        } catch  where error.needsNewSecret {
            throw .reason(
                .immutableSecret,
                message:
                    "Secret \(current.name) is immutable; whoever makes it has to make it anew without that")
        }
    }

    /// Never creates: the body has the uid of `current`, and its version.
    @discardableResult
    func apply(
        _ body: SharedSecret, to current: ObjectMeta, _ merger: Merger, isForced: Bool
    ) async throws(Failure) -> ObjectMeta {
        ownWrites.willWrite(secret: current.ref)
        do {
            return try await client.patch(
                .secrets, current.ref, .apply(body: body, fieldManager: merger.fieldManager, force: isForced))
        } catch {
            ownWrites.forget(secret: current.ref)
            throw Failure(accessing: error)
        }
    }

    private static func contested(
        _ fields: [String], _ secret: ObjectMeta, _ blueprint: Blueprint
    ) -> Failure {
        let rivals = DataOwnership(of: blueprint).rivals(secret)
        let isAmongUs = rivals.contains(where: Merger.isMerger)
        let names = isAmongUs ? "another WrappedSecret" : rivals.joined(separator: ", ")
        return .reason(
            isAmongUs ? .ownedByAnother : .secretConflict,
            message: "Secret \(secret.name) has \(fields.sorted().joined(separator: ", ")) from "
                + "\(names.isEmpty ? "somebody else" : names) already; remove it there or here")
    }
}
