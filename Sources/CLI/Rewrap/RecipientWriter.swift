import Cryptography
import Envelope
import KubeClient
import Resources

/// Replaces the recipients of a WrappedSecret in a cluster and leaves the ownership of `spec.recipients` with its field
/// managers. Otherwise the next `kubectl apply --server-side` or GitOps sync would conflict with this command.
///
/// A manager that updates (client-side apply, `kubectl edit`) stays the owner of a field that is patched in its name.
/// For a manager that applies (server-side apply), all its fields are applied together with the new recipients.
struct RecipientWriter {
    let client: KubeClient

    /// Status updates of the controller change the resourceVersion between a read and a write.
    private static let attempts = 5

    /// Identifies the spec that was read. The generation counts changes of the spec.
    private struct Version: Equatable {
        var uid: String?
        var generation: Int64?

        init(_ metadata: ObjectMeta) {
            uid = metadata.uid
            generation = metadata.generation
        }
    }

    /// - Returns: The managers that lost the ownership of `spec.recipients`. Their next apply conflicts.
    /// - Throws: `KubeError`, before anything is changed.
    func replace(
        _ recipients: [Recipient], of object: WrappedSecret
    ) async throws(KubeError) -> [String] {
        let ref = object.metadata.ref
        let current = try await read(ref, Version(object.metadata))
        let owners = current.recipientManagers
        let appliers = owners.filter(\.usesServerSideApply)
        // An update takes the field from all other managers. One that applies the same value becomes an owner again.
        if let updater = owners.first(where: { !$0.usesServerSideApply }) {
            let updated = try await update(recipients, current.metadata, as: updater.name)
            return await share(recipients, appliers[...], updated)
        }
        guard let first = appliers.first,
            let applied = try await apply(recipients, current, as: first, force: true)
        else {
            let updated = try await update(recipients, current.metadata, as: KubeClient.fieldManager)
            return (appliers.first.map { [$0.name] } ?? [])
                + (await share(recipients, appliers.dropFirst(), updated))
        }
        return await share(recipients, appliers.dropFirst(), applied)
    }

    /// Makes `managers` owners of the recipients of an object.
    ///
    /// - Returns: The managers that did not become owners.
    private func share(
        _ recipients: [Recipient], _ managers: ArraySlice<ManagedWrappedSecret.FieldManager>,
        _ metadata: ObjectMeta
    ) async -> [String] {
        var lost: [String] = []
        for manager in managers {
            do {
                let current = try await read(metadata.ref, Version(metadata))
                guard try await apply(recipients, current, as: manager, force: false) != nil else {
                    lost.append(manager.name)
                    continue
                }
            } catch {
                lost.append(manager.name)
            }
        }
        return lost
    }

    private func read(_ ref: ObjectRef, _ version: Version) async throws(KubeError) -> ManagedWrappedSecret {
        let object = try await client.get(ManagedWrappedSecret.self, ref)
        guard Version(object.metadata) == version else {
            throw KubeError(
                .conflict, activity: "reading WrappedSecret \(ref)", message: "its spec has changed")
        }
        return object
    }

    /// - Parameter manager: The manager with all fields that it will own.
    /// - Returns: nil if the manager's fields cannot be reconstructed.
    private func apply(
        _ recipients: [Recipient], _ object: ManagedWrappedSecret,
        as manager: ManagedWrappedSecret.FieldManager,
        force: Bool
    ) async throws(KubeError) -> ObjectMeta? {
        var current = object
        var attempt = 1
        while true {
            guard let body = try? current.applyConfiguration(of: manager, recipients: json(recipients)) else {
                return nil
            }
            do throws(KubeError) {
                return try await client.patch(
                    WrappedSecret.resource, current.metadata.ref,
                    .apply(body: body, fieldManager: manager.name, force: force))
            } catch
                where error.code == .conflict && error.fieldManagerConflicts == nil && attempt < Self.attempts
            {
                attempt += 1
                current = try await read(current.metadata.ref, Version(object.metadata))
            }
        }
    }

    /// Replaces the recipients alone, after testing that uid and generation are those that were read.
    private func update(
        _ recipients: [Recipient], _ current: ObjectMeta, as manager: String
    ) async throws(KubeError) -> ObjectMeta {
        let patch = JSONPatch { patch in
            patch.test("/metadata/uid", current.uid ?? "")
            patch.operation("test", "/metadata/generation") { $0.number(current.generation ?? 0) }
            patch.operation("replace", "/spec/recipients") { $0.encoded(json(recipients)) }
        }
        return try await client.patch(
            WrappedSecret.resource, current.ref, .json(patch), fieldManager: manager)
    }

    private func json(_ recipients: [Recipient]) -> [UInt8] {
        var writer = JSONSecretWriter()
        writer.beginArray()
        for recipient in recipients {
            writer.object(recipient.manifestFields)
        }
        writer.endArray()
        return writer.finish().withUnsafeBytes { Array($0) }
    }
}
