package import Primitives

/// Reads YAML 1.1 and JSON as kubectl does, but strictly: a key that comes twice is refused.
///
/// Guarantees: no input makes it crash, recurse without bound or fill memory; scalars are held as secrets;
/// errors hold no values.
package enum YAMLReader {
    /// The documents of a file, empty ones left out. `source` names it in errors: a path, or `stdin`.
    package static func documents(
        in file: borrowing SecretBytes, source: String
    ) throws(YAMLError) -> [Node] {
        try file.withUnsafeBytes { bytes throws(YAMLError) in
            try documents(in: bytes, source: source)
        }
    }

    package static func documents(
        in file: UnsafeRawBufferPointer, source: String
    ) throws(YAMLError) -> [Node] {
        let text = try SourceText(file, name: source)
        let first = text.bytes.first { $0 != space && $0 != tab && $0 != lineFeed && $0 != carriageReturn }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return try yaml(text) }
        // JSON is not quite YAML: libyaml refuses the escapes of surrogate pairs. And what starts like JSON
        // may be a flow mapping, or be followed by YAML documents.
        do throws(YAMLError) {
            return try JSONReader.documents(in: text)
        } catch let asJSON {
            do throws(YAMLError) {
                return try yaml(text)
            } catch let asYAML {
                throw (asJSON.line, asJSON.column) < (asYAML.line, asYAML.column) ? asYAML : asJSON
            }
        }
    }

    private static func yaml(_ text: SourceText) throws(YAMLError) -> [Node] {
        var composer = Composer(text)
        return try composer.documents()
    }
}
