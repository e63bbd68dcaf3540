package import Envelope
import KubeClient
import Resources
import System

/// What differs between two versions of a file with WrappedSecrets, in names and never in values.
package struct FileComparison: Sendable {
    private let old: WrappedSecretFile
    private let new: WrappedSecretFile
    private let namespace: String?

    package init(_ old: WrappedSecretFile, _ new: WrappedSecretFile, namespace: String?) {
        self.old = old
        self.new = new
        self.namespace = namespace
    }

    /// A line for each WrappedSecret that differs, and below it what does. `keys` nil, or ones that do not open it:
    /// only what shows without.
    package func lines(with keys: KeyRing?) async -> [String] {
        let (oldPlaces, newPlaces) = (Self.places(old), Self.places(new))
        var lines: [String] = []
        for document in new.documents where oldPlaces[document.qualifiedName] == nil {
            lines.append("+ WrappedSecret \(document.qualifiedName)")
        }
        for (index, document) in old.documents.enumerated() {
            let name = document.qualifiedName
            // The first one counts where several have a name.
            guard oldPlaces[name] == index else { continue }
            guard let newIndex = newPlaces[name] else {
                lines.append("- WrappedSecret \(name)")
                continue
            }
            let changes = await changes(from: index, to: newIndex, with: keys)
            if !changes.isEmpty { lines += ["  WrappedSecret \(name)"] + changes.map { "    \($0)" } }
        }
        return lines
    }

    private static func places(_ file: WrappedSecretFile) -> [String: Int] {
        Dictionary(
            file.documents.enumerated().map { ($1.qualifiedName, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    private func changes(from oldIndex: Int, to newIndex: Int, with keys: KeyRing?) async -> [String] {
        let (before, after) = (old.documents[oldIndex].object.spec, new.documents[newIndex].object.spec)
        var lines: [String] = []
        let (oldKeys, newKeys) = (before.envelope.recipients, after.envelope.recipients)
        for recipient in newKeys where !oldKeys.contains(where: { $0.hasSameKeyVersion(as: recipient) }) {
            lines.append("+ recipient \(recipient.keyAndVersion)")
        }
        for recipient in oldKeys where !newKeys.contains(where: { $0.hasSameKeyVersion(as: recipient) }) {
            lines.append("- recipient \(recipient.keyAndVersion)")
        }
        guard before.envelope.mac != after.envelope.mac else { return lines }
        if let keys, let old = try? await OpenedDocument(old, at: oldIndex, namespace: namespace, with: keys),
            let new = try? await OpenedDocument(new, at: newIndex, namespace: namespace, with: keys)
        {
            let difference = ValueDifference(from: old.entries, to: new.entries)
            return lines
                + (difference.isEmpty ? ["= wrapped anew, the values are the same"] : difference.lines)
        }
        let names = (Set(before.envelope.data.keys), Set(after.envelope.data.keys))
        lines += names.1.subtracting(names.0).sorted().map { "+ \($0)" }
        lines += names.0.subtracting(names.1).sorted().map { "- \($0)" }
        return lines + ["? which values changed shows only to who may open both"]
    }
}
