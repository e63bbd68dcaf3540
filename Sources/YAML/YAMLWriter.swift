package import Cryptography

/// Writes YAML in block style, as kubectl lays it out. Strings are quoted wherever some parser of YAML 1.1 or
/// 1.2 would read something else; lines are never folded.
package struct YAMLWriter: ~Copyable {
    private var output = SecretBuffer(capacity: 1024)
    private let isForEditing: Bool

    private init(isForEditing: Bool) { self.isForEditing = isForEditing }

    /// Several documents are separated by `---`.
    ///
    /// - Parameter isForEditing: texts of several lines are blocks also where lines end in blanks or the first one begins
    ///   with one, as a person reads them. Only for values of mappings.
    package static func write(_ documents: [JSONValue], forEditing isForEditing: Bool = false) -> SecretBytes
    {
        var writer = YAMLWriter(isForEditing: isForEditing)
        for (index, document) in documents.enumerated() {
            if index > 0 { writer.output.append("---\n") }
            if document.isFilled {
                writer.block(document, indent: 0)
            } else {
                writer.scalar(document, parentIndent: nil)
                writer.output.append(lineFeed)
            }
        }
        return writer.output.finish()
    }

    /// A filled mapping or sequence; the indentation of its first line is there already.
    private mutating func block(_ value: JSONValue, indent: Int) {
        switch value {
        case .object(let entries):
            for (index, entry) in entries.enumerated() {
                if index > 0 { pad(indent) }
                key(entry.key, indent: indent)
                if entry.value.isFilled {
                    output.append(lineFeed)
                    // kubectl does not indent the dashes of a sequence below their key.
                    let inner = if case .array = entry.value { indent } else { indent + 2 }
                    pad(inner)
                    block(entry.value, indent: inner)
                } else {
                    output.append(space)
                    scalar(entry.value, parentIndent: indent)
                    output.append(lineFeed)
                }
            }
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                if index > 0 { pad(indent) }
                output.append("- ")
                if element.isFilled {
                    block(element, indent: indent + 2)
                } else {
                    scalar(element, parentIndent: indent)
                    output.append(lineFeed)
                }
            }
        default: preconditionFailure("not a collection")
        }
    }

    private mutating func key(_ key: String, indent: Int) {
        let text = Array(key.utf8)
        // Parsers look at most 1,024 characters ahead for the colon of a key.
        let isLong = text.count > 128
        if isLong { output.append("? ") }
        text.withUnsafeBytes { bytes in
            if StringOutputStyle.best(for: bytes) == .plain {
                output.append(bytes)
            } else {
                QuotedString.append(bytes, to: &output)
            }
        }
        if isLong {
            output.append(lineFeed)
            pad(indent)
        }
        output.append(UInt8(ascii: ":"))
    }

    /// `parentIndent` is nil at the top, where literal style is not used.
    private mutating func scalar(_ value: JSONValue, parentIndent: Int?) {
        switch value {
        case .null: output.append("null")
        case .bool(let bool): output.append(bool ? "true" : "false")
        case .int(let int): output.append(Array("\(int)".utf8))
        case .number(let text): output.append(Array(text.utf8))
        case .string(let text):
            Array(text.utf8).withUnsafeBytes { string($0, parentIndent: parentIndent) }
        case .secret(let text):
            text.bytes.bytes.withUnsafeBytes { string($0, parentIndent: parentIndent) }
        case .base64(let secret):
            var encoded = SecretBuffer(capacity: Base64.encodedCount(secret.count))
            secret.bytes.withUnsafeBytes { encoded.appendBase64($0) }
            encoded.withUnsafeBytes { string($0, parentIndent: parentIndent) }
        case .array: output.append("[]")
        case .object: output.append("{}")
        }
    }

    private mutating func string(_ text: UnsafeRawBufferPointer, parentIndent: Int?) {
        switch (StringOutputStyle.best(for: text, forEditing: isForEditing), parentIndent) {
        case (.plain, _): output.append(text)
        case (.literal(let chomping), .some(let indent)):
            literal(text, chomping: chomping, indent: indent + 2)
        case (.doubleQuoted, _), (.literal, nil): QuotedString.append(text, to: &output)
        }
    }

    /// Leaves out the last line feed, which follows every scalar anyway.
    private mutating func literal(_ text: UnsafeRawBufferPointer, chomping: StaticString, indent: Int) {
        output.append(UInt8(ascii: "|"))
        // By what lines are indented below their key: to be found out by the first line, it has to begin with no blank.
        if let first = text.first, first == space || first == tab || first == lineFeed { output.append("2") }
        output.append(chomping)
        let body = text.last == lineFeed ? text.dropLast() : text[...]
        for line in body.split(separator: lineFeed, omittingEmptySubsequences: false) {
            output.append(lineFeed)
            if !line.isEmpty { pad(indent) }
            output.append(UnsafeRawBufferPointer(rebasing: line))
        }
    }

    private mutating func pad(_ count: Int) {
        for _ in 0..<count { output.append(space) }
    }
}

extension JSONValue {
    /// A collection with something in it, which takes lines of its own.
    fileprivate var isFilled: Bool {
        switch self {
        case .array(let elements): !elements.isEmpty
        case .object(let entries): !entries.isEmpty
        default: false
        }
    }
}
