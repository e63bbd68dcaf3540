package import Cryptography
package import Envelope
import KubeClient
import Resources
import System
import YAML

/// Compares the recipients and the encrypted entries of two versions of a file with WrappedSecrets. The result names
/// entries and contains no values.
package struct FileComparison: Sendable {
    private let old: WrappedSecretFile
    private let new: WrappedSecretFile
    private let namespace: String?

    package init(_ old: WrappedSecretFile, _ new: WrappedSecretFile, namespace: String?) {
        self.old = old
        self.new = new
        self.namespace = namespace
    }

    /// Returns a line for each WrappedSecret that differs, followed by its changes.
    ///
    /// - Parameter keys: The keys to decrypt with. Without them, the entries whose values changed are not named.
    package func lines(with keys: KeyRing?) async -> [String] {
        let (oldIndices, newIndices) = (Self.indices(old), Self.indices(new))
        var lines: [String] = []
        for document in new.documents where oldIndices[document.qualifiedName] == nil {
            lines.append("+ WrappedSecret \(document.qualifiedName)")
        }
        for (index, document) in old.documents.enumerated() {
            let name = document.qualifiedName
            // Only the first of several with one name is compared.
            guard oldIndices[name] == index else { continue }
            guard let newIndex = newIndices[name] else {
                lines.append("- WrappedSecret \(name)")
                continue
            }
            let changes = await changes(from: index, to: newIndex, with: keys)
            if !changes.isEmpty { lines += ["  WrappedSecret \(name)"] + changes.map { "    \($0)" } }
        }
        return lines
    }

    private static func indices(_ file: WrappedSecretFile) -> [String: Int] {
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
        // The MAC covers the binding and all entries: with the same MAC, the values are the same.
        guard before.envelope.mac != after.envelope.mac else { return lines }
        if let keys, let old = try? await OpenedDocument(old, at: oldIndex, namespace: namespace, with: keys),
            let new = try? await OpenedDocument(new, at: newIndex, namespace: namespace, with: keys)
        {
            let difference = ValueDifference(from: old.entries, to: new.entries)
            return lines
                + (difference.isEmpty ? ["= encrypted again, the values are the same"] : difference.lines)
        }
        let names = (Set(before.envelope.data.keys), Set(after.envelope.data.keys))
        lines += names.1.subtracting(names.0).sorted().map { "+ \($0)" }
        lines += names.0.subtracting(names.1).sorted().map { "- \($0)" }
        return lines + ["? the changed values cannot be determined without keys that decrypt both versions"]
    }
}

/// The names of entries that differ between two sets, without values.
package struct ValueDifference: Sendable, Equatable {
    package let added: [String]
    package let removed: [String]
    package let changed: [String]

    package init(from old: [SecretEntry], to new: [SecretEntry]) {
        let before = Dictionary(old.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        let after = Dictionary(new.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        added = after.keys.filter { before[$0] == nil }.sorted()
        removed = before.keys.filter { after[$0] == nil }.sorted()
        changed = before.keys.filter { name in
            guard let old = before[name], let new = after[name] else { return false }
            return !old.bytes.equals(new.bytes)
        }.sorted()
    }

    package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty }

    /// The difference as lines: `+ name`, `- name`, `~ name`.
    package var lines: [String] {
        added.map { "+ \($0)" } + removed.map { "- \($0)" } + changed.map { "~ \($0)" }
    }
}

/// The text of a file for a review: the file itself, byte for byte, with hashes in place of the ciphertexts of its
/// WrappedSecrets (wrapped keys, MACs, values). Files with the same review text are the same.
package struct ReviewText: Sendable {
    package let bytes: SharedSecret
    /// The parsed file, or nil if it cannot be parsed, as during a merge. Its text is unchanged then.
    package let file: WrappedSecretFile?

    package init(reading path: String) throws(InputError) {
        self.init(path: path, try ManifestFile.rawContents(of: path))
    }

    init(path: String, _ contents: SharedSecret) {
        file = try? WrappedSecretFile(path: path, contents: contents, stamp: nil)
        guard let file, !file.documents.isEmpty else {
            bytes = contents
            return
        }
        var editor = SourceEditor(contents)
        var seen: Set<Int> = []
        for node in file.documents.flatMap({ Self.ciphertexts(of: $0.node) })
        where seen.insert(node.range.start).inserted {
            guard let hash = Self.hash(contents, node.range.start..<node.range.end) else { continue }
            // A node that cannot be edited in place, such as an alias, stays as it is.
            try? editor.replace(node, with: hash)
        }
        bytes = SharedSecret(editor.unverified())
    }

    private static func ciphertexts(of document: YAMLNode) -> [YAMLNode] {
        guard let spec = document["spec"] else { return [] }
        let keys = spec["recipients"]?.elements?.compactMap { $0["wrappedKey"] } ?? []
        return keys + [spec["mac"]].compactMap(\.self) + (spec["data"]?.entries?.map(\.value) ?? [])
    }

    /// Returns 128 bits of the SHA-256 of a ciphertext, so that different ciphertexts look different.
    private static func hash(_ contents: SharedSecret, _ range: Range<Int>) -> String? {
        contents.bytes.withUnsafeBytes { bytes in
            guard bytes.indices.contains(range.lowerBound), range.upperBound <= bytes.count,
                let digest = try? sha256(UnsafeRawBufferPointer(rebasing: bytes[range]))
            else { return nil }
            return "sha256:\(hex(digest.prefix(16)))"
        }
    }
}
