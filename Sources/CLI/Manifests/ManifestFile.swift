package import Cryptography
import Glibc
import System
import YAML

/// Reads files with manifests and finds the objects in them.
package enum ManifestFile {
    /// Returns the contents of a file in UTF-8. The path `-` is standard input.
    ///
    /// - Throws: `InputError` if the file cannot be read, is larger than `YAMLReader.maximumBytes`, or is UTF-16.
    package static func contents(of path: String) throws(InputError) -> SharedSecret {
        let contents = try rawContents(of: path)
        try TextEncoding.rejectUTF16(contents, source: displayName(path))
        return contents
    }

    static func rawContents(of path: String) throws(InputError) -> SharedSecret {
        do throws(FileError) {
            let limit = YAMLReader.maximumBytes
            return SharedSecret(try SecretBytes(contentsOfFile: path, limit: limit))
        } catch {
            let name = path == "-" ? "standard input" : path
            throw InputError(unreadable: name, error.reason + (error.isTooLarge ? "; split it" : ""))
        }
    }

    /// Returns the name of a file in messages.
    package static func displayName(_ path: String) -> String { path == "-" ? "stdin" : path }

    /// Returns true if the file contains the word. Most files of a repository do not and need not be parsed.
    static func mentions(_ word: String, in contents: SharedSecret) -> Bool {
        contents.bytes.withUnsafeBytes { contains(Array(word.utf8), in: $0) }
    }

    /// Returns true if the file contains the word, or another notation that may stand for it: escapes and line breaks in
    /// quotation marks, and binary data, whose tag may have escapes.
    static func mayMention(_ word: String, in contents: SharedSecret) -> Bool {
        contents.bytes.withUnsafeBytes { bytes in
            ([Array(word.utf8)] + escapes).contains { contains($0, in: bytes) }
        }
    }

    private static let escapes = [
        "\\x", "\\u", "\\U", "\\\n", "\\\r", "\\\u{85}", "\\\u{2028}", "\\\u{2029}", "binary", "%6", "%7",
        "%TAG",
    ].map { Array($0.utf8) }

    /// Returns true if another program may find an object of one of the kinds in a file that cannot be read here. kubectl,
    /// for example, accepts a key that occurs twice, and reads the documents before a syntax error.
    static func mayHaveObject(of kinds: [String], in contents: SharedSecret) -> Bool {
        kinds.contains { declaresKind($0, in: contents) }
            || YAMLReader.contains(field: "kind", withOneOf: kinds, in: contents.bytes)
    }

    static func contains(_ word: [UInt8], in bytes: UnsafeRawBufferPointer) -> Bool {
        firstOffset(of: word, in: bytes) { _ in true } != nil
    }

    /// Returns true if a line is `kind: KIND` or its equivalent in JSON, even if the file is neither YAML nor JSON.
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

    /// Returns the offset of the first occurrence that matches.
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

    /// - Throws: `InputError` if the file is neither YAML nor JSON, or has Git conflict markers.
    static func documents(in contents: borrowing SecretBytes, source: String) throws(InputError) -> [YAMLNode]
    {
        try documents(in: contents, source: source) { [$0] }
    }

    /// Returns the concatenated results of `body` for each document.
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

    /// Returns the error that makes the file unreadable, or nil if it is YAML or JSON.
    static func syntaxError(in contents: borrowing SecretBytes, source: String) -> YAMLError? {
        do throws(YAMLError) {
            _ = try YAMLReader.documents(in: contents, source: source)
            return nil
        } catch {
            return error
        }
    }

    /// Returns the document itself, or the items of a `List`. Returns nil for a List without a sequence of items.
    ///
    /// Items of a `SecretList`, or a list of another kind, inherit kind and apiVersion from the list, as in kubectl.
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

    /// Returns the objects of one kind and group in any version, including the items of a `List`, and skips all others.
    static func objects(
        in contents: SharedSecret, source: String, kind: String, group: String
    ) throws(InputError) -> [YAMLNode] {
        try documents(in: contents.bytes, source: source) { document in
            (objects(of: document, kind: kind) ?? []).filter {
                $0["kind"]?.string == kind && $0["apiVersion"]?.string?.hasPrefix("\(group)/") == true
            }
        }
    }

    /// Returns the objects of the file, at least one. A `List` counts as its items. The kind of the objects is not
    /// checked.
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
                throw InputError(document.range.location(in: source), "items is missing or not a list")
            }
            found += objects
        }
        guard !found.isEmpty else {
            throw InputError(source, "is a List without items; a \(kind) is expected")
        }
        return found
    }
}
