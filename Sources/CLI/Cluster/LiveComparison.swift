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

    /// Lines for each WrappedSecret whose Secret is not what it would make; none: all are.
    package func lines(_ file: WrappedSecretFile) async throws(InputError) -> [String] {
        var lines: [String] = []
        for (index, document) in file.documents.enumerated()
        where name == nil || document.object.metadata.name == name {
            let opened = try await OpenedDocument(file, at: index, namespace: namespace, with: keys)
            guard let namespace = opened.namespace else {
                throw InputError(document.place, "is of no namespace; give --namespace")
            }
            let changes = try await changes(opened, ObjectRef(namespace: namespace, name: opened.secretName))
            guard !changes.isEmpty else { continue }
            lines.append("\(document.place): Secret \(namespace)/\(opened.secretName)")
            lines += changes.map { "  \($0)" }
        }
        return lines
    }

    private func changes(_ opened: OpenedDocument, _ ref: ObjectRef) async throws(InputError) -> [String] {
        guard let live = try await secrets.secret(ref) else {
            return ["+ Secret"] + opened.entries.map { "+ \($0.name)" }
        }
        var lines = ValueDifference(from: live.entries, to: opened.entries).lines
        if live.secretType != opened.blueprint.type {
            lines.append("~ type: \(live.secretType) -> \(opened.blueprint.type)")
        }
        if live.immutable != opened.blueprint.immutable {
            lines.append("~ immutable: \(live.immutable) -> \(opened.blueprint.immutable)")
        }
        for (key, value) in opened.blueprint.labels.sorted(by: { $0.key < $1.key })
        where live.labels[key] != value { lines.append("~ label \(key)") }
        for (key, value) in opened.blueprint.annotations.sorted(by: { $0.key < $1.key })
        where live.annotations[key] != value { lines.append("~ annotation \(key)") }
        return lines
    }
}
