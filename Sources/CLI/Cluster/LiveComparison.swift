package import Envelope
import KubeClient
import Resources
import System

/// Compares the WrappedSecrets of files with the Secrets of a cluster. The result has names of entries and no values.
package struct LiveComparison: Sendable {
    private let keys: KeyRing
    private let secrets: LiveSecretReader
    private let namespace: String?
    /// The WrappedSecret to compare, or nil for all of the file.
    private let name: String?

    package init(keys: KeyRing, secrets: LiveSecretReader, namespace: String?, name: String?) {
        self.keys = keys
        self.secrets = secrets
        self.namespace = namespace
        self.name = name
    }

    /// Returns a difference for each WrappedSecret whose Secret is not as the WrappedSecret desires it.
    package func differences(_ file: WrappedSecretFile) async throws(InputError) -> [LiveDifference] {
        var differences: [LiveDifference] = []
        for (index, document) in file.documents.enumerated()
        where name == nil || document.object.metadata.name == name {
            let opened = try await OpenedDocument(file, at: index, namespace: namespace, with: keys)
            guard let namespace = opened.namespace else {
                throw InputError(document.location, "has no namespace; give --namespace")
            }
            let (changes, refusals) = try await changes(
                opened, ObjectRef(namespace: namespace, name: opened.secretName))
            guard !changes.isEmpty else { continue }
            differences.append(
                LiveDifference(
                    location: document.location, namespace: namespace, name: opened.secretName,
                    changes: changes,
                    refusals: refusals))
        }
        return differences
    }

    /// Returns the changes that a sync would make, and the reasons why a controller would not make them.
    private func changes(
        _ opened: OpenedDocument, _ ref: ObjectRef
    ) async throws(InputError) -> ([LiveChange], refusals: [String]) {
        let entries = try opened.secretEntries()
        let isMerge = opened.desiredSecret.mergeIdentity != nil
        let isSuspended = opened.file.documents[opened.index].object.spec.suspend
        let wrapped = try await secrets.wrappedSecret(
            ObjectRef(namespace: ref.namespace, name: opened.name))
        guard let live = try await secrets.liveSecret(ref) else {
            var refusals = LiveRefusals.suspension(inFile: isSuspended, wrapped).map { [$0] } ?? []
            if await secrets.isNamespaceMissing(ref.namespace) {
                refusals.append("namespace \(ref.namespace) does not exist")
            }
            // Merge adds entries to an existing Secret and creates none.
            let changes =
                [LiveChange(isMerge ? .blocked : .added, .secret)]
                + entries.map { LiveChange(.added, .entry($0.name)) }
            return (changes, refusals)
        }
        var changes = entryChanges(opened, entries, live)
        if !isMerge {
            if live.input.effectiveType != opened.desiredSecret.type {
                changes.append(
                    LiveChange(.changed, .type(from: live.input.effectiveType, to: opened.desiredSecret.type))
                )
            }
            if live.input.isImmutable != opened.desiredSecret.isImmutable {
                changes.append(
                    LiveChange(
                        .changed,
                        .immutable(from: live.input.isImmutable, to: opened.desiredSecret.isImmutable)
                    ))
            }
        }
        changes += metadataChanges(opened, live, wrapped)
        var refusals = LiveRefusals.refusals(
            of: live.metadata, name: opened.name, opened.desiredSecret.mergeIdentity,
            entries: Set(entries.map(\.name)), wrapped)
        if let suspension = LiveRefusals.suspension(inFile: isSuspended, wrapped) {
            refusals.insert(suspension, at: 0)
        }
        return (changes, refusals)
    }

    /// Returns the changes of entries: of all in a Secret that the WrappedSecret owns, and of its own in a merge
    /// target.
    private func entryChanges(
        _ opened: OpenedDocument, _ entries: [SecretEntry], _ live: LiveSecret
    ) -> [LiveChange] {
        let changes = ValueDifference(from: live.input.entries, to: entries).changes
        guard let merger = opened.desiredSecret.mergeIdentity else { return changes }
        let own = live.ownedEntries(of: merger)
        return changes.filter { change in
            guard change.operation == .removed, case .entry(let name) = change.subject else { return true }
            return own.contains(name)
        }
    }

    /// Returns the changes of labels and annotations that the template sets, or that an earlier template has set. Those
    /// of other writers stay.
    private func metadataChanges(
        _ opened: OpenedDocument, _ live: LiveSecret, _ wrapped: WrappedSecret?
    ) -> [LiveChange] {
        let desired = opened.desiredSecret
        let owned = live.metadata.keysOwned(by: desired.fieldManager)
        var labels = Self.changes(from: live.input.labels, to: desired.labels, owned: owned.labels)
        var annotations = Self.changes(
            from: live.input.annotations, to: desired.annotations, owned: owned.annotations)
        // A suspended object's Secret was written from an earlier generation.
        if let wrapped, wrapped.isSynced {
            let synced = wrapped.spec.template?.metadata
            // The controller removes keys that leave the template. The remaining ones are labels that the operator
            // configures.
            labels.removed.removeAll { synced?.labels?[$0] == nil }
            annotations.removed.removeAll { synced?.annotations?[$0] == nil }
        }
        return labels.changed.map { LiveChange(.changed, .label($0)) }
            + labels.removed.map { LiveChange(.removed, .label($0)) }
            + annotations.changed.map { LiveChange(.changed, .annotation($0)) }
            + annotations.removed.map { LiveChange(.removed, .annotation($0)) }
    }

    /// Compares the keys, sorted. The controller's own keys are in no template.
    private static func changes(
        from live: [String: String], to desired: [String: String], owned: Set<String>
    ) -> (changed: [String], removed: [String]) {
        let changed = desired.filter { live[$0.key] != $0.value }.keys.sorted()
        let removed = owned.filter {
            desired[$0] == nil && live[$0] != nil && !OwnershipMetadata.isReserved($0)
        }.sorted()
        return (changed, removed)
    }
}

extension WrappedSecret {
    /// True if the Secret was written from the object's current generation.
    var isSynced: Bool {
        guard let written = status?.secret?.generation else { return false }
        return status?.condition(.ready)?.status == "True" && written == metadata.generation
    }
}
