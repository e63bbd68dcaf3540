package import Envelope
import KubeClient
import Primitives
import Resources

/// What differs between the WrappedSecrets of files and the Secrets of a cluster, in names and never in values.
package struct LiveComparison: Sendable {
    private let keys: KeyRing
    private let secrets: LiveSecrets
    private let namespace: String?
    /// nil: all.
    private let name: String?

    package init(keys: KeyRing, secrets: LiveSecrets, namespace: String?, name: String?) {
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
                throw InputError(document.place, "is of no namespace; give --namespace")
            }
            let changes = try await changes(opened, ObjectRef(namespace: namespace, name: opened.secretName))
            guard !changes.isEmpty else { continue }
            differences.append(
                LiveDifference(
                    place: document.place, namespace: namespace, name: opened.secretName, changes: changes))
        }
        return differences
    }

    private func changes(
        _ opened: OpenedDocument, _ ref: ObjectRef
    ) async throws(InputError) -> [LiveChange] {
        guard let live = try await secrets.secret(ref) else {
            return [LiveChange(.added, .secret)] + opened.entries.map { LiveChange(.added, .entry($0.name)) }
        }
        var changes = ValueDifference(from: live.entries, to: opened.entries).changes
        if live.secretType != opened.blueprint.type {
            changes.append(LiveChange(.changed, .type(from: live.secretType, to: opened.blueprint.type)))
        }
        if live.immutable != opened.blueprint.immutable {
            changes.append(
                LiveChange(.changed, .immutable(from: live.immutable, to: opened.blueprint.immutable)))
        }
        for (key, value) in opened.blueprint.labels.sorted(by: { $0.key < $1.key })
        where live.labels[key] != value { changes.append(LiveChange(.changed, .label(key))) }
        for (key, value) in opened.blueprint.annotations.sorted(by: { $0.key < $1.key })
        where live.annotations[key] != value { changes.append(LiveChange(.changed, .annotation(key))) }
        return changes
    }
}
