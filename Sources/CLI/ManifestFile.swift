package import Cryptography
import Glibc
import System
import YAML

/// A file of manifests.
package enum ManifestFile {
    /// `-` is standard input.
    ///
    /// Errors: it cannot be read, has more than `YAMLReader.maximumBytes`, or is UTF-16.
    package static func contents(of path: String) throws(InputError) -> SharedSecret {
        let contents = try rawContents(of: path)
        try TextEncoding.rejectUTF16(contents, source: displayName(path))
        return contents
    }

    /// As `contents`, in whatever encoding.
    static func rawContents(of path: String) throws(InputError) -> SharedSecret {
        do throws(FileError) {
            let limit = YAMLReader.maximumBytes
            return SharedSecret(try SecretBytes(contentsOfFile: path, limit: limit))
        } catch {
            let name = path == "-" ? "standard input" : path
            throw InputError(unreadable: name, error.reason + (error.isTooLarge ? "; split it" : ""))
        }
    }

    /// As messages name a file.
    package static func displayName(_ path: String) -> String { path == "-" ? "stdin" : path }

    /// Whether the word is in it. Most files of a repository are other things; they need not even be parsed.
    static func mentions(_ word: String, in contents: SharedSecret) -> Bool {
        contents.bytes.withUnsafeBytes { contains(Array(word.utf8), in: $0) }
    }

    static func contains(_ word: [UInt8], in bytes: UnsafeRawBufferPointer) -> Bool {
        firstOffset(of: word, in: bytes) { _ in true } != nil
    }

    /// Whether a line of it is `kind: KIND`, or the like in JSON, also in a file that is neither.
    static func declaresKind(_ kind: String, in contents: SharedSecret) -> Bool {
        let word = Array(kind.utf8)
        return contents.bytes.withUnsafeBytes { bytes in
            firstOffset(of: word, in: bytes) { offset in
                let after = bytes[(offset + word.count)...].first
                guard after.map({ " \t\r\n\"',}#".utf8.contains($0) }) ?? true else { return false }
                let before = bytes[..<offset].suffix(80).filter { !" \t\"'".utf8.contains($0) }
                return before.suffix(5).elementsEqual("kind:".utf8)
            } != nil
        }
    }

    /// The place of the first occurrence that matches.
    private static func firstOffset(
        of word: [UInt8], in bytes: UnsafeRawBufferPointer, where matches: (Int) -> Bool
    ) -> Int? {
        guard let first = word.first, let base = bytes.baseAddress else { return nil }
        var start = 0
        while bytes.count - start >= word.count,
            let found = memchr(base + start, Int32(first), bytes.count - start)
        {
            let offset = UnsafeRawPointer(found) - base
            if bytes[offset...].starts(with: word), matches(offset) { return offset }
            start = offset + 1
        }
        return nil
    }

    /// - Throws: `InputError` if it is not YAML or JSON, or a merge in it is not resolved.
    static func documents(in contents: borrowing SecretBytes, source: String) throws(InputError) -> [YAMLNode]
    {
        try documents(in: contents, source: source) { [$0] }
    }

    /// What `body` makes of each document.
    static func documents<Result>(
        in contents: borrowing SecretBytes, source: String, _ body: (YAMLNode) -> [Result]
    ) throws(InputError) -> [Result] {
        if let conflict = ManifestSyntax.mergeConflict(in: contents, source: source) { throw conflict }
        do throws(YAMLError) {
            return try YAMLReader.documents(in: contents, source: source, body)
        } catch {
            throw ManifestSyntax.inputError(error, in: contents, source: source)
        }
    }

    /// Returns nil if it is YAML or JSON.
    static func syntaxError(in contents: borrowing SecretBytes, source: String) -> YAMLError? {
        do throws(YAMLError) {
            _ = try YAMLReader.documents(in: contents, source: source)
            return nil
        } catch {
            return error
        }
    }

    /// The document itself, or the items of a `List`; nil: a List without a list of items. Items of a `SecretList` (or a
    /// list of another kind) that have neither kind nor apiVersion have those of the list, as with kubectl.
    static func objects(of document: YAMLNode, kind: String) -> [YAMLNode]? {
        guard let list = document["kind"]?.string, ["List", "\(kind)List"].contains(list) else {
            return [document]
        }
        guard list != "List", let version = document["apiVersion"]?.string else {
            return document["items"]?.elements
        }
        return document["items"]?.elements?.map { item in
            guard item["kind"] == nil, item["apiVersion"] == nil else { return item }
            return item.appendingPairs([("apiVersion", version), ("kind", kind)])
        }
    }

    /// Those of one kind and group, of whatever version, also in a `List`. What else is in the file is passed over.
    static func objects(
        in contents: SharedSecret, source: String, kind: String, group: String
    ) throws(InputError) -> [YAMLNode] {
        try documents(in: contents.bytes, source: source) { document in
            (objects(of: document, kind: kind) ?? []).filter {
                $0["kind"]?.string == kind && $0["apiVersion"]?.string?.hasPrefix("\(group)/") == true
            }
        }
    }

    /// Its objects, one or more; a `List` counts as its items. Whether they are of `kind` is not checked.
    static func objects(
        in file: borrowing SecretBytes, source: String, kind: String
    ) throws(InputError) -> [YAMLNode] {
        let documents = try documents(in: file, source: source)
        guard !documents.isEmpty else {
            throw InputError(source, "is empty; a \(kind) manifest in YAML or JSON is expected")
        }
        var found: [YAMLNode] = []
        for document in documents {
            guard let objects = objects(of: document, kind: kind) else {
                throw InputError(document.range.location(in: source), "items is missing or no list")
            }
            found += objects
        }
        guard !found.isEmpty else {
            throw InputError(source, "is a List without items; a \(kind) is expected")
        }
        return found
    }
}
