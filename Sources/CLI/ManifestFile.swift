package import Primitives
import YAML

/// A file of manifests.
package enum ManifestFile {
    /// `-` is standard input.
    ///
    /// Errors: it cannot be read, or has more than `YAMLReader.maximumBytes`.
    package static func contents(of path: String) throws(InputError) -> SharedSecret {
        let name = path == "-" ? "standard input" : path
        do throws(FileError) {
            let limit = YAMLReader.maximumBytes
            return SharedSecret(try SecretBytes(contentsOfFile: path, limit: limit))
        } catch {
            throw InputError("cannot read \(name): \(error.reason)\(error.isTooLarge ? "; split it" : "")")
        }
    }

    /// As messages name a file.
    package static func name(_ path: String) -> String { path == "-" ? "stdin" : path }

    /// Whether the word is in it. Most files of a repository are other things; they need not even be parsed.
    static func mentions(_ word: String, in contents: SharedSecret) -> Bool {
        let word = Array(word.utf8)
        return contents.bytes.withUnsafeBytes { bytes in
            bytes.indices.contains { bytes[$0] == word[0] && bytes[$0...].starts(with: word) }
        }
    }

    static func documents(in contents: borrowing SecretBytes, source: String) throws(InputError) -> [Node] {
        try documents(in: contents, source: source) { [$0] }
    }

    /// What `body` makes of each document.
    static func documents<Result>(
        in contents: borrowing SecretBytes, source: String, _ body: (Node) -> [Result]
    ) throws(InputError) -> [Result] {
        do throws(YAMLError) {
            return try YAMLReader.documents(in: contents, source: source, body)
        } catch {
            throw InputError(error.description)
        }
    }

    /// The document itself, or the items of a `List`; nil: a List without a list of items.
    static func objects(of document: Node, kind: String) -> [Node]? {
        guard ["List", "\(kind)List"].contains(document["kind"]?.string) else { return [document] }
        return document["items"]?.elements
    }

    /// Those of one kind and group, of whatever version, also in a `List`. What else is in the file is passed over.
    static func objects(
        in contents: SharedSecret, source: String, kind: String, group: String
    ) throws(InputError) -> [Node] {
        guard mentions(kind, in: contents) else { return [] }
        return try documents(in: contents.bytes, source: source) { document in
            (objects(of: document, kind: kind) ?? []).filter {
                $0["kind"]?.string == kind && $0["apiVersion"]?.string?.hasPrefix("\(group)/") == true
            }
        }
    }

    /// Its objects, one or more; a `List` counts as its items. Whether they are of `kind` is not checked.
    static func objects(
        in file: borrowing SecretBytes, source: String, kind: String
    ) throws(InputError) -> [Node] {
        let documents = try documents(in: file, source: source)
        guard !documents.isEmpty else {
            throw InputError(source, "is empty; a \(kind) manifest in YAML or JSON is expected")
        }
        var found: [Node] = []
        for document in documents {
            guard let objects = objects(of: document, kind: kind) else {
                throw InputError(document.mark.location(in: source), "items is missing or no list")
            }
            found += objects
        }
        guard !found.isEmpty else {
            throw InputError(source, "is a List without items; a \(kind) is expected")
        }
        return found
    }
}
