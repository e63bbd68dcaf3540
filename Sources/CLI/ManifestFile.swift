import Primitives
import YAML

/// A file of manifests.
enum ManifestFile {
    /// Its objects, one or more; a `List` counts as its items. Whether they are of `kind` is not checked.
    static func objects(
        in file: borrowing SecretBytes, source: String, kind: String
    ) throws(InputError) -> [Node] {
        let documents: [Node]
        do {
            documents = try YAMLReader.documents(in: file, source: source)
        } catch {
            throw InputError(error.description)
        }
        guard !documents.isEmpty else {
            throw InputError(source, "is empty; a \(kind) manifest in YAML or JSON is expected")
        }
        var objects: [Node] = []
        for document in documents { objects += try items(of: document, source, kind) }
        guard !objects.isEmpty else {
            throw InputError(source, "is a List without items; a \(kind) is expected")
        }
        return objects
    }

    private static func items(
        of document: Node, _ source: String, _ kind: String
    ) throws(InputError) -> [Node] {
        guard let found = document["kind"]?.string, found == "List" || found == "\(kind)List" else {
            return [document]
        }
        guard let items = document["items"]?.elements else {
            throw InputError(document.mark.location(in: source), "items is missing or no list")
        }
        return items
    }
}
