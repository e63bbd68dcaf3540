import Envelope
import KubeClient
package import Primitives
import Resources
import YAML

/// A file that may hold WrappedSecrets among other documents, as it stood when it was read.
package struct WrappedSecretFile: Sendable {
    package let path: String
    package let contents: SharedSecret
    /// Of the moment before it was read; nil: not a file on disk.
    package let stamp: FileStamp?
    /// All of them.
    let nodes: [Node]
    package let documents: [WrappedSecretDocument]
    /// Where each of `documents` stands: in which node, and where in that.
    private let places: [(node: Int, path: [String])]

    /// Errors: it cannot be read, is not YAML, or a WrappedSecret in it is malformed. A file without any is none.
    package init(reading path: String) throws(InputError) {
        let stamp = FileStamp(path: path)
        let contents = try ManifestFile.contents(of: path)
        try self.init(
            path: ManifestFile.name(path), contents: contents, stamp: path == "-" ? nil : stamp)
    }

    package init(path: String, contents: SharedSecret, stamp: FileStamp?) throws(InputError) {
        self.path = path
        self.contents = contents
        self.stamp = stamp
        guard ManifestFile.mentions(WrappedSecret.resource.kind, in: contents) else {
            nodes = []
            documents = []
            places = []
            return
        }
        nodes = try ManifestFile.documents(in: contents.bytes, source: path)
        var documents: [WrappedSecretDocument] = []
        var places: [(node: Int, path: [String])] = []
        for (index, node) in nodes.enumerated() {
            let objects = ManifestFile.objects(of: node, kind: WrappedSecret.resource.kind) ?? []
            for object in objects where WrappedSecretDocument.isMeantToBeOne(object.node) {
                documents.append(try WrappedSecretDocument(object.node, source: path))
                places.append((index, object.path))
            }
        }
        self.documents = documents
        self.places = places
    }

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
            throw InputError(
                path, "has no WrappedSecret; secrets-bridge wrap makes one of a Secret")
        }
        let names = documents.map(\.namespaceAndName).joined(separator: ", ")
        throw InputError(
            path, "has the WrappedSecrets \(names); say with --name and --namespace which one is meant")
    }

    /// One step of an edit; places are those of the file it is given.
    typealias Pass = (WrappedSecretFile, inout SourceEditor) throws(SourceEditError) -> Void

    /// Edits the file and puts the result in its place, if it says what it is meant to say and nothing else.
    ///
    /// Errors: the layout cannot be edited, or the file cannot be written. It is as it was then.
    ///
    /// - Parameters:
    ///   - expected: the envelopes that are to come out of it, in their order.
    ///   - paths: below which the documents may differ from what they were.
    ///   - passes: one after the other, each on what the one before made.
    func replace(
        expecting expected: [EnvelopeFields], outside paths: [[String]], _ passes: [Pass]
    ) throws(InputError) {
        guard let stamp else { throw InputError(path, "is no file that can be replaced") }
        var edited = self
        for pass in passes {
            var editor = SourceEditor(edited.contents)
            do throws(SourceEditError) {
                try pass(edited, &editor)
            } catch {
                throw InputError("\(path):\(error.line):\(error.column)", "what stands here \(error.problem)")
            }
            if !editor.isEmpty { edited = try reread(editor) }
        }
        try check(edited, expected, paths)
        do throws(FileError) {
            try FileReplacement.replace(path, with: edited.contents.bytes, unchangedSince: stamp)
        } catch {
            throw InputError("cannot write \(path): \(error.reason)")
        }
    }

    private static let oddLayout =
        "its layout cannot be edited safely, and it was left as it is; write it as secrets-bridge wrap does"

    private func reread(_ editor: SourceEditor) throws(InputError) -> WrappedSecretFile {
        do throws(InputError) {
            return try WrappedSecretFile(path: path, contents: SharedSecret(editor.finish()), stamp: nil)
        } catch {
            throw InputError(path, Self.oddLayout)
        }
    }

    private func check(
        _ new: WrappedSecretFile, _ expected: [EnvelopeFields], _ paths: [[String]]
    ) throws(InputError) {
        guard new.nodes.count == nodes.count, new.documents.count == expected.count else {
            throw InputError(path, Self.oddLayout)
        }
        for (index, (old, new)) in zip(nodes, new.nodes).enumerated() {
            let allowed = places.filter { $0.node == index }.flatMap { place in paths.map { place.path + $0 }
            }
            if let place = new.difference(from: old, outside: allowed) {
                throw InputError(path, "\(Self.oddLayout) (\(place))")
            }
        }
        for (document, expected) in zip(new.documents, expected)
        where document.object.spec.envelope != expected {
            throw InputError(document.place, Self.oddLayout)
        }
    }
}
