package import Cryptography

/// Reads YAML 1.1 and JSON as kubectl does, but strictly: a key that comes twice is refused.
///
/// Guarantees: no input makes it crash, recurse without bound or fill memory; scalars are held as secrets;
/// errors hold no values.
package enum YAMLReader {
    /// Largest file that is read, in bytes. A document of short lines takes 10 to 20 times its size as nodes.
    package static let maximumBytes = 32 << 20

    /// As people are told of it.
    package static let maximumSizeDescription = "\(maximumBytes >> 20) MiB"

    /// The documents of a file, empty ones left out. `source` names it in errors: a path, or `stdin`.
    package static func documents(
        in file: borrowing SecretBytes, source: String
    ) throws(YAMLError) -> [YAMLNode] {
        try documents(in: file, source: source) { [$0] }
    }

    package static func documents(
        in file: UnsafeRawBufferPointer, source: String
    ) throws(YAMLError) -> [YAMLNode] {
        try documents(in: file, source: source) { [$0] }
    }

    /// What `body` makes of each document. A document takes memory only until `body` has returned.
    package static func documents<Result>(
        in file: borrowing SecretBytes, source: String, _ body: (YAMLNode) -> [Result]
    ) throws(YAMLError) -> [Result] {
        try file.withUnsafeBytes { bytes throws(YAMLError) in
            try documents(in: bytes, source: source, body)
        }
    }

    private static func documents<Result>(
        in file: UnsafeRawBufferPointer, source: String, _ body: (YAMLNode) -> [Result]
    ) throws(YAMLError) -> [Result] {
        let text = try SourceText(file, name: source)
        guard text.mayBeJSON else { return try compose(LibYAMLParser(text), text, body) }
        // JSON is not quite YAML: libyaml refuses the escapes of surrogate pairs. And what starts like JSON
        // may be a flow mapping, or be followed by YAML documents.
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

    /// The events by which `documents` reads the text.
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
