package import Cryptography
package import JSON

/// Writes YAML in block style, with the layout of kubectl. A string is quoted if any parser of YAML 1.1 or 1.2 would
/// read another value without quotes. Lines are never folded.
package struct YAMLWriter: ~Copyable {
    private var output = SecretBuffer(capacity: 1024)
    private let isForEditing: Bool

    private init(isForEditing: Bool) { self.isForEditing = isForEditing }

    /// Writes documents, separated by `---`.
    ///
    /// - Parameter isForEditing: whether texts of several lines are blocks even if lines end in blanks or the first one
    ///   begins with one, so that a user can edit them. Only for values of mappings.
    package static func write(_ documents: [JSONValue], forEditing isForEditing: Bool = false) -> SecretBytes
    {
        var writer = YAMLWriter(isForEditing: isForEditing)
        for (index, document) in documents.enumerated() {
            if index > 0 { writer.output.append("---\n") }
            if document.isNonEmptyCollection {
                writer.block(document, indent: 0)
            } else {
                writer.scalar(document, parentIndent: nil)
                writer.output.append(lineFeed)
            }
        }
        return writer.output.finish()
    }

    /// Writes a mapping or sequence that is not empty. The caller has written the indentation of its first line.
    private mutating func block(_ value: JSONValue, indent: Int) {
        switch value {
        case .object(let entries):
            for (index, entry) in entries.enumerated() {
                if index > 0 { pad(indent) }
                key(entry.key, indent: indent)
                if entry.value.isNonEmptyCollection {
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
                if element.isNonEmptyCollection {
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
        // Parsers search for the colon in the first 1,024 characters of a key.
        let isLong = text.count > 128
        if isLong { output.append("? ") }
        text.withUnsafeBytes { bytes in
            if StringOutputStyle.best(for: bytes) == .plain {
                output.append(bytes)
            } else {
                JSONString.appendQuoted(bytes, to: &output)
            }
        }
        if isLong {
            output.append(lineFeed)
            pad(indent)
        }
        output.append(UInt8(ascii: ":"))
    }

    /// - Parameter parentIndent: the indentation of the enclosing collection, or nil at the top level, where literal
    ///   style is not used.
    private mutating func scalar(_ value: JSONValue, parentIndent: Int?) {
        switch value {
        case .null, .bool, .int, .number: JSONWriter.appendScalar(value, to: &output)
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
        case (.doubleQuoted, _), (.literal, nil): JSONString.appendQuoted(text, to: &output)
        }
    }

    /// Writes a literal block without its last line feed, which the caller writes after every scalar.
    private mutating func literal(_ text: UnsafeRawBufferPointer, chomping: StaticString, indent: Int) {
        output.append(UInt8(ascii: "|"))
        // The indentation indicator: parsers take the indentation from the first line, unless that begins with a blank.
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
    /// True if the value is written on lines of its own.
    fileprivate var isNonEmptyCollection: Bool {
        switch self {
        case .array(let elements): !elements.isEmpty
        case .object(let entries): !entries.isEmpty
        default: false
        }
    }
}

/// A notation for strings that every parser of YAML 1.1 or 1.2 reads back unchanged.
enum StringOutputStyle: Equatable {
    case plain
    /// `|`, `|-` or `|+`.
    case literal(chomping: StaticString)
    case doubleQuoted

    static func == (left: StringOutputStyle, right: StringOutputStyle) -> Bool {
        switch (left, right) {
        case (.plain, .plain), (.doubleQuoted, .doubleQuoted): true
        case (.literal(let a), .literal(let b)): a.description == b.description
        default: false
        }
    }

    /// Returns the most legible notation.
    ///
    /// - Parameter text: valid UTF-8.
    static func best(for text: UnsafeRawBufferPointer, forEditing isForEditing: Bool = false)
        -> StringOutputStyle
    {
        if isPlainSafe(text) { return .plain }
        guard isLiteralSafe(text, forEditing: isForEditing) else { return .doubleQuoted }
        guard text.last == lineFeed else { return .literal(chomping: "-") }
        return .literal(chomping: text.dropLast().last == lineFeed ? "+" : "")
    }

    /// Returns whether the text starts with a letter, `/` or `_`, continues with characters that have no meaning to any
    /// parser, and is not a word such as `true`.
    private static func isPlainSafe(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let first = text.first, let last = text.last else { return false }
        guard isLetter(first) || first == UInt8(ascii: "/") || first == UInt8(ascii: "_") else {
            return false
        }
        guard last != space, last != UInt8(ascii: ":") else { return false }
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: ":"), text[index + 1] == space { return false }
            guard isLetter(byte) || plainCharacters.contains(byte) else { return false }
        }
        return PlainScalar.valueType(text) == .string
    }

    /// Returns whether the text has a line break, a line that is not empty, and only printable lines. Unless it is for
    /// editing, no line may end in a blank, which an editor may remove, and the first line must not be empty or
    /// indented, which needs an indentation indicator.
    private static func isLiteralSafe(_ text: UnsafeRawBufferPointer, forEditing isForEditing: Bool) -> Bool {
        guard text.contains(lineFeed), text.contains(where: { $0 != lineFeed }) else { return false }
        return hasPrintableLines(text) && (isForEditing || !hasBlanksAtEdges(text))
    }

    private static func hasPrintableLines(_ text: UnsafeRawBufferPointer) -> Bool {
        for scalar in UTF8Scalars(bytes: text)
        where scalar.value != UInt32(lineFeed) && scalar.value != UInt32(tab) {
            if JSONString.needsEscape(scalar) { return false }
        }
        return true
    }

    private static func hasBlanksAtEdges(_ text: UnsafeRawBufferPointer) -> Bool {
        let isBlank = { (byte: UInt8) in byte == space || byte == tab }
        guard let first = text.first, let last = text.last, !isBlank(last) else { return true }
        if isBlank(first) || first == lineFeed { return true }
        return zip(text, text.dropFirst()).contains { isBlank($0) && $1 == lineFeed }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }

    private static let plainCharacters = Array("0123456789 _-./+=@:()".utf8)
}
