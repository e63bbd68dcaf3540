import System

/// How a string can be written in YAML so that every parser, of 1.1 or 1.2, reads a string, and the same.
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

    /// `text` is UTF-8.
    static func best(for text: UnsafeRawBufferPointer, forEditing isForEditing: Bool = false)
        -> StringOutputStyle
    {
        if isPlainSafe(text) { return .plain }
        guard isLiteralSafe(text, forEditing: isForEditing) else { return .doubleQuoted }
        guard text.last == lineFeed else { return .literal(chomping: "-") }
        return .literal(chomping: text.dropLast().last == lineFeed ? "+" : "")
    }

    /// Starts with a letter, `/` or `_`, goes on with what no parser gives a meaning, and is none of the words
    /// that stand for something.
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

    /// Several lines of printable text, none of them ending in a space that an editor may drop, the first one
    /// neither empty nor indented, since that would need an indentation indicator. For editing, these two are allowed, and
    /// there has to be a line that is not empty.
    private static func isLiteralSafe(_ text: UnsafeRawBufferPointer, forEditing isForEditing: Bool) -> Bool {
        guard text.contains(lineFeed), text.contains(where: { $0 != lineFeed }) else { return false }
        return hasPrintableLines(text) && (isForEditing || !hasBlanksAtEdges(text))
    }

    private static func hasPrintableLines(_ text: UnsafeRawBufferPointer) -> Bool {
        for scalar in scalars(of: text) where scalar.value != UInt32(lineFeed) && scalar.value != UInt32(tab)
        {
            if needsEscape(scalar) { return false }
        }
        return true
    }

    private static func hasBlanksAtEdges(_ text: UnsafeRawBufferPointer) -> Bool {
        let isBlank = { (byte: UInt8) in byte == space || byte == tab }
        guard let first = text.first, let last = text.last, !isBlank(last) else { return true }
        if isBlank(first) || first == lineFeed { return true }
        return zip(text, text.dropFirst()).contains { isBlank($0) && $1 == lineFeed }
    }

    /// Not printable in YAML 1.1 or 1.2, a line break or byte order mark to some parser, or a control that makes an editor
    /// or a terminal show another text than the one that is there.
    static func needsEscape(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF: true
        default: scalar.isBidirectionalControl
        }
    }

    static func scalars(of text: UnsafeRawBufferPointer) -> UTF8Scalars { UTF8Scalars(bytes: text) }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }

    private static let plainCharacters = Array("0123456789 _-./+=@:()".utf8)
}

/// The Unicode scalars of valid UTF-8, without a `String` that would copy them.
struct UTF8Scalars: Sequence, IteratorProtocol {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    mutating func next() -> Unicode.Scalar? {
        guard let first = rest.first else { return nil }
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        var value = length == 1 ? UInt32(first) : UInt32(first) & (0x7F >> UInt32(length))
        for byte in rest.dropFirst().prefix(length - 1) { value = value << 6 | UInt32(byte & 0x3F) }
        rest = rest.dropFirst(length)
        return Unicode.Scalar(value)
    }
}
