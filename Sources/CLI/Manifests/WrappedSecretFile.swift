package import Cryptography
import Envelope
import KubeClient
import Resources
package import System
import YAML

/// The contents of a file and the WrappedSecrets among its documents.
package struct WrappedSecretFile: Sendable {
    package let path: String
    package let contents: SharedSecret
    /// Identifies the file's state before it was read. It is nil for contents that do not come from a file.
    package let stamp: FileFingerprint?
    package let documents: [WrappedSecretDocument]

    /// The path that rules are for, or nil for standard input.
    package var rulePath: String? { stamp == nil ? nil : path }

    /// Reads a file, which may contain no WrappedSecret.
    ///
    /// - Throws: `InputError` if the file cannot be read, is neither YAML nor JSON, or contains a malformed
    ///   WrappedSecret.
    package init(reading path: String) throws(InputError) {
        let stamp = FileFingerprint(path: path)
        let contents = try ManifestFile.contents(of: path)
        try self.init(
            path: ManifestFile.displayName(path), contents: contents, stamp: path == "-" ? nil : stamp)
    }

    package init(path: String, contents: SharedSecret, stamp: FileFingerprint?) throws(InputError) {
        self.path = path
        self.contents = contents
        self.stamp = stamp
        guard ManifestFile.mayMention(WrappedSecret.resource.kind, in: contents) else {
            documents = []
            return
        }
        let found: [YAMLNode]
        do throws(InputError) {
            // Other documents are released one by one.
            found = try ManifestFile.documents(in: contents.bytes, source: path) { document in
                (ManifestFile.objects(of: document, kind: WrappedSecret.resource.kind) ?? [])
                    .filter(WrappedSecretDocument.isWrappedSecret)
            }
        } catch {
            // A file that does not name the kind, such as a script, need not be a manifest.
            guard !ManifestFile.mentions(WrappedSecret.resource.kind, in: contents),
                !ManifestFile.mayHaveObject(of: [WrappedSecret.resource.kind], in: contents)
            else { throw error }
            documents = []
            return
        }
        var documents: [WrappedSecretDocument] = []
        documents.reserveCapacity(found.count)
        for node in found { documents.append(try WrappedSecretDocument(node, source: path)) }
        self.documents = documents
    }

    static let noWrappedSecretMessage =
        "contains no WrappedSecret; create one from a Secret with secrets-bridge wrap"

    /// Returns the index in `documents` of the WrappedSecret with this name and namespace.
    ///
    /// - Parameter options: The options that select one, for messages.
    /// - Throws: `InputError` if there is none, or if there are several.
    package func index(
        named name: String?, namespace: String?, options: String = "--name and --namespace"
    ) throws(InputError) -> Int {
        let named = documents.indices.filter { name == nil || documents[$0].object.metadata.name == name }
        // `WrappedSecretDocument.object(namespace:)` checks the namespace of a single match.
        if named.count == 1 { return named[0] }
        let possible = named.filter { index in
            let own = documents[index].object.metadata.namespace
            return namespace == nil || own == nil || own == namespace
        }
        let exact = possible.filter {
            namespace != nil && documents[$0].object.metadata.namespace == namespace
        }
        let found = exact.isEmpty ? possible : exact
        if found.count == 1 { return found[0] }
        guard !documents.isEmpty else {
            throw InputError(path, Self.noWrappedSecretMessage)
        }
        let foundNames = found.map { index in
            let metadata = documents[index].object.metadata
            return (metadata.namespace ?? namespace).map { "\($0)/\(metadata.name)" } ?? metadata.name
        }
        if found.count > 1, Set(foundNames).count == 1 {
            let places = found.map { "\(documents[$0].node.range.line)" }.listed(limit: 10)
            throw InputError(
                path,
                "contains \(found.count) WrappedSecrets \(foundNames[0]), at the lines \(places), of which kubectl apply keeps "
                    + "only the last; rename or remove the others")
        }
        let names = documents.map(\.qualifiedName).listed(limit: 10)
        throw InputError(path, "contains the WrappedSecrets \(names); select one with \(options)")
    }

    /// Returns the lines of one document or item of a list as a file of its own, so that its edits do not read the others, and
    /// the index in it. Returns a small file as a whole, and nil for a large one, if they cannot be read alone.
    func part(with index: Int) -> (file: WrappedSecretFile, index: Int)? {
        guard let lines = lines(of: documents[index].node.range),
            let file = try? WrappedSecretFile(path: path, contents: lines, stamp: nil),
            file.documents.count == 1,
            file.documents[0].object.spec.envelope == documents[index].object.spec.envelope
        else { return documents.count <= Self.maximumWholeDocuments ? (self, index) : nil }
        return (file, 0)
    }

    /// The number of documents up to which the whole file is read for each of them.
    private static let maximumWholeDocuments = 32

    /// Returns the lines of a document, or of an item of a list without its dash and the comma after it. Their columns are those
    /// in the file.
    private func lines(of range: SourceRange) -> SharedSecret? {
        contents.bytes.withUnsafeBytes { bytes in
            guard range.start < range.end, range.end <= bytes.count else { return nil }
            // The search ends at the first other character: a whole file can be one line.
            let start = bytes[..<range.start].lastIndex { !" -".utf8.contains($0) }.map { $0 + 1 } ?? 0
            guard start == 0 || bytes[start - 1] == lineFeed else { return nil }
            var end = range.end
            if bytes[end - 1] != lineFeed {
                let rest = bytes[end...].drop { " \t".utf8.contains($0) }
                if rest.first != UInt8(ascii: ",") {
                    end = rest.firstIndex(of: lineFeed).map { $0 + 1 } ?? bytes.count
                }
            }
            return SharedSecret(
                SecretBytes(count: end - start) { copy in
                    copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                    for offset in 0..<(range.start - start) { copy[offset] = UInt8(ascii: " ") }
                })
        }
    }

    /// Edits the file and replaces it, after verifying that the edits have their intended effect and no other.
    ///
    /// - Parameter edit: Makes all edits, which are verified together.
    /// - Throws: `InputError` if the layout cannot be edited or the file cannot be written. The file is unchanged then.
    func applyEdits(
        _ edit: (inout SourceEditor) throws(SourceEditError) -> Void
    ) throws(InputError) {
        try replaceContents(with: try edited(by: edit))
    }

    /// Returns the contents after verified edits, without writing them.
    func edited(
        by edit: (inout SourceEditor) throws(SourceEditError) -> Void
    ) throws(InputError) -> SharedSecret {
        do throws(SourceEditError) {
            var editor = SourceEditor(contents)
            try edit(&editor)
            return try editor.verified()
        } catch {
            throw InputError("\(path):\(error.line):\(error.column)", "this part \(error.problem)")
        }
    }

    /// Replaces the file, unless another process changed it since it was read.
    func replaceContents(with edited: SharedSecret) throws(InputError) {
        guard let stamp else { throw InputError(path, "is not a file that can be replaced") }
        do throws(FileError) {
            try FileReplacement.replace(path, with: edited.bytes, unchangedSince: stamp)
        } catch {
            throw InputError("cannot write \(path): \(error.reason)")
        }
    }
}

private let lineFeed = UInt8(ascii: "\n")
