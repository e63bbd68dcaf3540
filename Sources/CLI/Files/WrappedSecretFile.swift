package import Cryptography
import Envelope
import KubeClient
import Resources
package import System
import YAML

/// A file that may hold WrappedSecrets among other documents, as it stood when it was read.
package struct WrappedSecretFile: Sendable {
    package let path: String
    package let contents: SharedSecret
    /// Of the moment before it was read; nil: not a file on disk.
    package let stamp: FileFingerprint?
    package let documents: [WrappedSecretDocument]

    /// Errors: it cannot be read, is not YAML, or a WrappedSecret in it is malformed. A file without any is none.
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
        guard ManifestFile.mentions(WrappedSecret.resource.kind, in: contents) else {
            documents = []
            return
        }
        // What else is in the file takes memory only as long as it is looked at.
        let found = try ManifestFile.documents(in: contents.bytes, source: path) { document in
            (ManifestFile.objects(of: document, kind: WrappedSecret.resource.kind) ?? [])
                .filter(WrappedSecretDocument.isWrappedSecret)
        }
        var documents: [WrappedSecretDocument] = []
        documents.reserveCapacity(found.count)
        for node in found { documents.append(try WrappedSecretDocument(node, source: path)) }
        self.documents = documents
    }

    static let noWrappedSecretMessage = "has no WrappedSecret; secrets-bridge wrap makes one of a Secret"

    /// The place in `documents` of the one that is meant.
    ///
    /// Errors: there is none of that name and namespace, or several.
    package func index(named name: String?, namespace: String?) throws(InputError) -> Int {
        let named = documents.indices.filter { name == nil || documents[$0].object.metadata.name == name }
        // What namespaces have to say of a single one is told by the document.
        if named.count == 1 { return named[0] }
        let found = named.filter { index in
            let own = documents[index].object.metadata.namespace
            return namespace == nil || own == nil || own == namespace
        }
        if found.count == 1 { return found[0] }
        guard !documents.isEmpty else {
            throw InputError(path, Self.noWrappedSecretMessage)
        }
        let names = documents.map(\.qualifiedName).joined(separator: ", ")
        throw InputError(
            path, "has the WrappedSecrets \(names); say with --name and --namespace which one is meant")
    }

    /// Edits the file and puts the result in its place, if it reads as it is meant to and nothing else has changed in it.
    ///
    /// Errors: the layout cannot be edited, or the file cannot be written. It is as it was then.
    ///
    /// - Parameter edit: all edits; they are proved together, once.
    func applyEdits(
        _ edit: (inout SourceEditor) throws(SourceEditError) -> Void
    ) throws(InputError) {
        guard let stamp else { throw InputError(path, "is no file that can be replaced") }
        let edited: SharedSecret
        do throws(SourceEditError) {
            var editor = SourceEditor(contents)
            try edit(&editor)
            edited = try editor.verified()
        } catch {
            throw InputError("\(path):\(error.line):\(error.column)", "what stands here \(error.problem)")
        }
        do throws(FileError) {
            try FileReplacement.replace(path, with: edited.bytes, unchangedSince: stamp)
        } catch {
            throw InputError("cannot write \(path): \(error.reason)")
        }
    }
}
