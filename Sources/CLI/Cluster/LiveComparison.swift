package import Envelope
import KubeClient
import Resources
import System

/// What differs between the WrappedSecrets of files and the Secrets of a cluster, in names and never in values.
package struct LiveComparison: Sendable {
    private let keys: KeyRing
    private let secrets: LiveSecretReader
    private let namespace: String?
    /// nil: all.
    private let name: String?

    package init(keys: KeyRing, secrets: LiveSecretReader, namespace: String?, name: String?) {
        self.keys = keys
        self.secrets = secrets
        self.namespace = namespace
        self.name = name
    }

    /// One for each WrappedSecret whose Secret is not what it would make; none: all are.
    package func differences(_ file: WrappedSecretFile) async throws(InputError) -> [LiveDifference] {
        var differences: [LiveDifference] = []
        for (index, document) in file.documents.enumerated()
        where name == nil || document.object.metadata.name == name {
            let opened = try await OpenedDocument(file, at: index, namespace: namespace, with: keys)
            guard let namespace = opened.namespace else {
                throw InputError(document.location, "is of no namespace; give --namespace")
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

    /// What differs, and why a controller would not change it.
    private func changes(
        _ opened: OpenedDocument, _ ref: ObjectRef
    ) async throws(InputError) -> ([LiveChange], refusals: [String]) {
        let isMerge = opened.desiredSecret.mergeIdentity != nil
        let isSuspended = opened.file.documents[opened.index].object.spec.suspend
        let wrapped = try await secrets.wrappedSecret(
            ObjectRef(namespace: ref.namespace, name: opened.name))
        guard let live = try await secrets.liveSecret(ref) else {
            var refusals = LiveRefusals.suspension(asked: isSuspended, wrapped).map { [$0] } ?? []
            if await secrets.isNamespaceMissing(ref.namespace) {
                refusals.append("namespace \(ref.namespace) does not exist")
            }
            // Merge adds to a Secret that is there, and creates none.
            let changes =
                [LiveChange(isMerge ? .blocked : .added, .secret)]
                + opened.entries.map { LiveChange(.added, .entry($0.name)) }
            return (changes, refusals)
        }
        var changes = entryChanges(opened, live)
        if !isMerge {
            if live.input.effectiveType != opened.desiredSecret.type {
                changes.append(
                    LiveChange(.changed, .type(from: live.input.effectiveType, to: opened.desiredSecret.type))
                )
            }
            if live.input.immutable != opened.desiredSecret.isImmutable {
                changes.append(
                    LiveChange(
                        .changed, .immutable(from: live.input.immutable, to: opened.desiredSecret.isImmutable)
                    ))
            }
        }
        changes += metadataChanges(opened, live, wrapped)
        var refusals = LiveRefusals.refusals(
            of: live.metadata, name: opened.name, opened.desiredSecret.mergeIdentity,
            entries: Set(opened.entries.map(\.name)), wrapped)
        if let suspension = LiveRefusals.suspension(asked: isSuspended, wrapped) {
            refusals.insert(suspension, at: 0)
        }
        return (changes, refusals)
    }

    /// Of a Secret that the WrappedSecret owns, every entry counts; of one that it merges into, its own.
    private func entryChanges(_ opened: OpenedDocument, _ live: LiveSecret) -> [LiveChange] {
        let changes = ValueDifference(from: live.input.entries, to: opened.entries).changes
        guard let merger = opened.desiredSecret.mergeIdentity else { return changes }
        let ours = live.ownedEntries(of: merger)
        return changes.filter { change in
            guard change.operation == .removed, case .entry(let name) = change.subject else { return true }
            return ours.contains(name)
        }
    }

    /// What the template sets, and what only an earlier template has set. Other writers' labels and annotations stay.
    private func metadataChanges(
        _ opened: OpenedDocument, _ live: LiveSecret, _ wrapped: WrappedSecret?
    ) -> [LiveChange] {
        let blueprint = opened.desiredSecret
        let owned = live.metadata.keysOwned(by: blueprint.fieldManager)
        var labels = Self.changes(from: live.input.labels, to: blueprint.labels, owned: owned.labels)
        var annotations = Self.changes(
            from: live.input.annotations, to: blueprint.annotations, owned: owned.annotations)
        // Of a suspended object, the generation that was written is an earlier one.
        if let wrapped, wrapped.isSynced {
            let synced = wrapped.spec.template?.metadata
            // The controller has removed what is not in the template: the rest are labels that its operator adds.
            labels.removed.removeAll { synced?.labels?[$0] == nil }
            annotations.removed.removeAll { synced?.annotations?[$0] == nil }
        }
        return labels.changed.map { LiveChange(.changed, .label($0)) }
            + labels.removed.map { LiveChange(.removed, .label($0)) }
            + annotations.changed.map { LiveChange(.changed, .annotation($0)) }
            + annotations.removed.map { LiveChange(.removed, .annotation($0)) }
    }

    /// Keys, in order. What the controller adds for itself is in no template.
    private static func changes(
        from live: [String: String], to wanted: [String: String], owned: Set<String>
    ) -> (changed: [String], removed: [String]) {
        let changed = wanted.filter { live[$0.key] != $0.value }.keys.sorted()
        let removed = owned.filter {
            wanted[$0] == nil && live[$0] != nil && !OwnershipMetadata.isReserved($0)
        }.sorted()
        return (changed, removed)
    }
}

extension WrappedSecret {
    /// Whether the Secret was written from the object as it is now, and not from an earlier generation.
    var isSynced: Bool {
        guard let written = status?.secret?.generation else { return false }
        return status?.condition(.ready)?.status == "True" && written == metadata.generation
    }
}
