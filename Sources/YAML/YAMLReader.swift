package import Cryptography
import System

/// Reads YAML 1.1 and JSON as kubectl does, but rejects duplicate keys. It is for files that users write; responses are read
/// by the module JSON.
///
/// Guarantees: no input makes it crash, recurse without bound or exhaust the memory; scalars are kept in secret memory;
/// errors contain no values.
package enum YAMLReader {
    /// The largest file that is read, in bytes. A document of short lines takes 10 to 20 times its size as nodes.
    package static let maximumBytes = 32 << 20

    /// `maximumBytes` as messages show it.
    package static let maximumSizeDescription = "\(maximumBytes >> 20) MiB"

    /// Returns the documents of a file that are not empty.
    ///
    /// - Parameter source: the name of the file in errors: a path, or `stdin`.
    package static func documents(
        in file: borrowing SecretBytes, source: String
    ) throws(YAMLError) -> [YAMLNode] {
        try documents(in: file, source: source) { [$0] }
    }

    /// Returns the results of `body` for all documents. A document is released when `body` has returned.
    package static func documents<Result>(
        in file: borrowing SecretBytes, source: String, _ body: (YAMLNode) -> [Result]
    ) throws(YAMLError) -> [Result] {
        try file.withUnsafeBytes { bytes throws(YAMLError) in
            try documents(in: bytes, source: source, body)
        }
    }

    /// Returns the values of a text that is JSON alone, which has no aliases.
    package static func jsonDocuments(
        in file: borrowing SecretBytes, source: String
    ) throws(YAMLError) -> [YAMLNode] {
        try file.withUnsafeBytes { bytes throws(YAMLError) in
            let text = try SourceText(bytes, name: source)
            return try compose(JSONEventParser(text), text) { [$0] }
        }
    }

    private static func documents<Result>(
        in file: UnsafeRawBufferPointer, source: String, _ body: (YAMLNode) -> [Result]
    ) throws(YAMLError) -> [Result] {
        let text = try SourceText(file, name: source)
        guard text.mayBeJSON else { return try compose(LibYAMLParser(text), text, body) }
        // JSON is not a subset of YAML: libyaml rejects the escapes of surrogate pairs. And a text that starts like JSON may
        // be a flow mapping, or be followed by YAML documents.
        do throws(YAMLError) {
            return try compose(JSONEventParser(text), text, body)
        } catch let asJSON {
            do throws(YAMLError) {
                return try compose(LibYAMLParser(text), text, body)
            } catch let asYAML {
                throw (asJSON.line, asJSON.column) < (asYAML.line, asYAML.column) ? asYAML : asJSON
            }
        }
    }

    /// Returns the events from which `documents` reads the text.
    static func events(of text: SourceText) -> any ParseEventStream {
        guard text.mayBeJSON, (try? JSONEventParser.validate(text)) != nil else { return LibYAMLParser(text) }
        return JSONEventParser(text)
    }

    private static func compose<Result>(
        _ events: any ParseEventStream, _ text: SourceText, _ body: (YAMLNode) -> [Result]
    ) throws(YAMLError) -> [Result] {
        var composer = NodeComposer(events, of: text)
        return try composer.documents(body)
    }
}

extension YAMLReader {
    /// Returns the offsets (`SourceRange.start`) of the nodes with an anchor that no alias refers to. A file with an error is
    /// read up to the error.
    package static func unusedAnchors(in file: borrowing SecretBytes) -> Set<Int> {
        file.withUnsafeBytes { bytes in
            var unused: Set<Int> = []
            do throws(YAMLError) {
                let text = try SourceText(bytes, name: "")
                let events = events(of: text)
                // An anchor may be redefined: an alias refers to the last definition before it.
                var latest: [String: Int] = [:]
                while true {
                    let event = try events.next()
                    switch event.kind {
                    case .streamEnd: return unused
                    case .documentEnd: latest = [:]
                    case .alias(let name):
                        if let start = latest[name] { unused.remove(start) }
                    default:
                        guard let name = event.nodeProperties.anchor else { continue }
                        latest[name] = event.range.start
                        unused.insert(event.range.start)
                    }
                }
            } catch {
                return unused
            }
        }
    }
}

/// Describes why a text is rejected, on one line: `SOURCE:LINE:COLUMN: problem; remedy`. It quotes nothing of the text: any
/// value may be a secret, and after a syntax error a value may be read as a key (`{password:hunter2}`).
package struct YAMLError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The bytes are not UTF-8, or contain control characters.
        case notText
        case tooLarge
        /// The text is neither YAML nor JSON.
        case syntax
        case duplicateKey
        /// The key is null, a mapping or a sequence.
        case badKey
        /// The value does not match its tag.
        case badTag
        /// The alias has no anchor or is inside it, or aliases add too many nodes or bytes.
        case badAlias
        case badMerge
        case tooDeep
    }

    package let code: Code
    package let source: String
    package let line: Int
    package let column: Int
    /// The problem and the remedy, without the location.
    package let message: String

    package var description: String {
        "\(source):\(line):\(column): \(message)".escapingInvisibleCharacters
    }
}
