package import Cryptography
package import Envelope
import KubeClient
import Resources

/// A changed file of two commits, with its contents.
package struct CommittedFile: Sendable {
    let path: String
    let old: SharedSecret?
    let new: SharedSecret?

    package init(path: String, old: SharedSecret?, new: SharedSecret?) {
        self.path = path
        self.old = old
        self.new = new
    }

    /// Returns false for a file that need not be parsed.
    package static func mayHaveWrappedSecrets(_ contents: SharedSecret) -> Bool {
        ManifestFile.mayMention(WrappedSecret.resource.kind, in: contents)
            || contents.bytes.withUnsafeBytes { TextEncoding.utf16Encoding($0) } != nil
    }
}

/// The changes of WrappedSecrets between two commits, for a review. It names files, entries, recipients and fields, and
/// contains no values.
package struct CommitReview: Sendable {
    package let changes: [ReviewedChange]
    /// The changed files that decide for whom values are wrapped.
    package let recipientSources: [ReviewedRecipientSource]
    /// The files that could not be compared, one line each.
    package let problems: [String]

    /// A WrappedSecret of one commit.
    private struct Version {
        let path: String
        let file: WrappedSecretFile
        let index: Int

        var document: WrappedSecretDocument { file.documents[index] }
        var name: String { document.qualifiedName }
        var mac: String { document.object.spec.envelope.mac }
    }

    /// - Parameters:
    ///   - problems: Files that could not be read.
    ///   - namespace: The namespace of WrappedSecrets without one.
    ///   - keys: The keys that decrypt both versions, or nil to compare what is readable without a key.
    package init(
        _ files: [CommittedFile], problems: [String] = [], namespace: String?, keys: KeyRing?
    ) async {
        var (old, new): ([Version], [Version]) = ([], [])
        var problems = problems
        for file in files {
            old += Self.versions(file.path, file.old, "the old version", &problems)
            new += Self.versions(file.path, file.new, "the new version", &problems)
        }
        var changes: [ReviewedChange] = []
        var (added, removed) = (new, old)
        // The same file first, then another file, then another name of the same envelope.
        for key: (Version) -> [String] in [{ [$0.path, $0.name] }, { [$0.name] }, { [$0.mac] }] {
            var candidates = Dictionary(grouping: added.indices.reversed(), by: { key(added[$0]) })
            var (unmatched, matched): ([Version], Set<Int>) = ([], [])
            for before in removed {
                guard let index = candidates[key(before)]?.popLast() else {
                    unmatched.append(before)
                    continue
                }
                matched.insert(index)
                if let change = await Self.compare(before, added[index], namespace, keys) {
                    changes.append(change)
                }
            }
            removed = unmatched
            added = added.indices.filter { !matched.contains($0) }.map { added[$0] }
        }
        changes += added.map { ReviewedChange(.added, $0.path, $0.document) }
        changes += removed.map { ReviewedChange(.removed, $0.path, $0.document) }
        self.changes = changes.sorted { ($0.path, $0.name) < ($1.path, $1.name) }
        self.problems = problems
        // A key that is replaced comes first, so that no number of other files hides it.
        recipientSources = files.compactMap(ReviewedRecipientSource.init).sorted {
            ($0.rank, $0.path) < ($1.rank, $1.path)
        }
    }

    /// True if nothing has to be reviewed.
    package var isEmpty: Bool { changes.isEmpty && recipientSources.isEmpty && problems.isEmpty }

    private static func versions(
        _ path: String, _ contents: SharedSecret?, _ version: String, _ problems: inout [String]
    ) -> [Version] {
        guard let contents else { return [] }
        do throws(InputError) {
            try TextEncoding.rejectUTF16(contents, source: path)
        } catch {
            problems.append("\(version) was not compared: \(error.description)")
            return []
        }
        do throws(InputError) {
            let file = try WrappedSecretFile(path: path, contents: contents, stamp: nil)
            return file.documents.indices.map { Version(path: path, file: file, index: $0) }
        } catch {
            // Most files that cannot be parsed only mention the kind.
            if ManifestFile.mayHaveObject(of: [WrappedSecret.resource.kind], in: contents) {
                problems.append("\(version) was not compared: \(error.description)")
            }
            return []
        }
    }

    /// Returns nil if nothing but comments and layout differs.
    private static func compare(
        _ before: Version, _ after: Version, _ namespace: String?, _ keys: KeyRing?
    ) async -> ReviewedChange? {
        let isMoved = before.path != after.path || before.name != after.name
        var change = ReviewedChange(
            isMoved ? .moved : .changed, after.path, after.document, from: (before.path, before.document))
        if let keys, change.values == .encryptedAgain,
            let old = try? await OpenedDocument(
                before.file, at: before.index, namespace: namespace, with: keys),
            let new = try? await OpenedDocument(
                after.file, at: after.index, namespace: namespace, with: keys)
        {
            change.setValues(ValueDifference(from: old.entries, to: new.entries))
        }
        return isMoved || !change.isEmpty ? change : nil
    }
}
