import Primitives
import YAML

/// A file of manifests.
enum ManifestFile {
    /// Largest file that is read, in bytes; a hundred full Secrets.
    static let maximumBytes = 128 * 1024 * 1024

    /// `-` is standard input.
    static func contents(of path: String) throws(InputError) -> SharedSecret {
        do throws(FileError) {
            return SharedSecret(try SecretBytes(contentsOfFile: path, limit: maximumBytes))
        } catch {
            throw InputError("cannot read \(path == "-" ? "standard input" : path): \(error.reason)")
        }
    }

    /// As messages name a file.
    static func name(_ path: String) -> String { path == "-" ? "stdin" : path }

    /// Whether the word is in it. Most files of a repository are other things; they need not even be parsed.
    static func mentions(_ word: String, in contents: SharedSecret) -> Bool {
        let word = Array(word.utf8)
        return contents.bytes.withUnsafeBytes { bytes in
            bytes.indices.contains { bytes[$0] == word[0] && bytes[$0...].starts(with: word) }
        }
    }

    /// Those of one kind and group, of whatever version, also in a `List`. What else is in the file is passed over.
    static func objects(
        in contents: SharedSecret, source: String, kind: String, group: String
    ) throws(InputError) -> [Node] {
        guard mentions(kind, in: contents) else { return [] }
        let documents: [Node]
        do throws(YAMLError) {
            documents = try YAMLReader.documents(in: contents.bytes, source: source)
        } catch {
            throw InputError(error.description)
        }
        return documents.flatMap { document in
            let isList = ["List", "\(kind)List"].contains(document["kind"]?.string)
            return (isList ? document["items"]?.elements ?? [] : [document]).filter {
                $0["kind"]?.string == kind && $0["apiVersion"]?.string?.hasPrefix("\(group)/") == true
            }
        }
    }

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
