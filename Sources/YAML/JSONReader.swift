import Primitives

/// JSON by RFC 8259, one value or several after each other, into nodes. Stricter in three things: a key may
/// come once, a surrogate has its pair, nesting has a limit.
struct JSONReader {
    private let text: SourceText
    private var position = 0

    static func documents(in text: SourceText) throws(YAMLError) -> [Node] {
        var reader = JSONReader(text: text)
        var documents: [Node] = []
        reader.skipSpace()
        while reader.position < text.bytes.count {
            let node = try reader.value(depth: 0)
            if !node.isNull { documents.append(node) }
            reader.skipSpace()
        }
        return documents
    }

    private init(text: SourceText) { self.text = text }

    private var byte: UInt8? { position < text.bytes.count ? text.bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte, byte == space || byte == tab || byte == lineFeed || byte == carriageReturn {
            position += 1
        }
    }

    private mutating func skip(_ character: UInt8) -> Bool {
        guard byte == character else { return false }
        position += 1
        return true
    }

    private func error(_ message: String) -> YAMLError {
        let end = position == text.bytes.count ? ", where the file ends" : ""
        return text.error(.syntax, at: position, "not valid JSON: \(message)\(end)")
    }

    private mutating func value(depth: Int) throws(YAMLError) -> Node {
        guard depth < Composer.maximumDepth else {
            throw text.error(.tooDeep, at: position, "nested deeper than \(Composer.maximumDepth) levels")
        }
        let start = position
        let content: Node.Content
        switch byte {
        case UInt8(ascii: "{"): content = try object(depth: depth)
        case UInt8(ascii: "["): content = try array(depth: depth)
        case UInt8(ascii: "\""):
            content = .scalar(Scalar(bytes: try string(), style: .doubleQuoted, kind: .string))
        case UInt8(ascii: "t"): content = try word("true", .bool)
        case UInt8(ascii: "f"): content = try word("false", .bool)
        case UInt8(ascii: "n"): content = try word("null", .null)
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): content = try number()
        default: throw error("expected a value")
        }
        return Node(content, mark: text.mark(start, position))
    }

    private mutating func object(depth: Int) throws(YAMLError) -> Node.Content {
        var mapping = MappingBuilder()
        position += 1
        skipSpace()
        if skip(UInt8(ascii: "}")) { return .mapping([]) }
        while true {
            guard byte == UInt8(ascii: "\"") else { throw error("expected a key in double quotes") }
            let keyStart = position
            let key = try string().bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            let keyMark = text.mark(keyStart, position)
            skipSpace()
            guard skip(UInt8(ascii: ":")) else { throw error("expected ':' after a key") }
            skipSpace()
            let value = try value(depth: depth + 1)
            try mapping.append(
                Node.Entry(key: key, keyMark: keyMark, isKeyRewritten: false, value: value, isMerged: false),
                in: text)
            skipSpace()
            if skip(UInt8(ascii: "}")) { return .mapping(mapping.entries) }
            guard skip(UInt8(ascii: ",")) else { throw error("expected ',' or '}' after a value") }
            skipSpace()
        }
    }

    private mutating func array(depth: Int) throws(YAMLError) -> Node.Content {
        var elements: [Node] = []
        position += 1
        skipSpace()
        if skip(UInt8(ascii: "]")) { return .sequence([]) }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if skip(UInt8(ascii: "]")) { return .sequence(elements) }
            guard skip(UInt8(ascii: ",")) else { throw error("expected ',' or ']' after a value") }
            skipSpace()
        }
    }

    private mutating func word(_ word: String, _ kind: Scalar.Kind) throws(YAMLError) -> Node.Content {
        guard text.bytes[position...].starts(with: word.utf8) else { throw error("expected a value") }
        position += word.utf8.count
        return .scalar(
            Scalar(bytes: SharedSecret(copying: Array(word.utf8)), style: .plain, kind: kind))
    }

    private mutating func number() throws(YAMLError) -> Node.Content {
        let start = position
        _ = skip(UInt8(ascii: "-"))
        if !skip(UInt8(ascii: "0")) { try digits() }
        var kind = Scalar.Kind.int
        if skip(UInt8(ascii: ".")) {
            kind = .float
            try digits()
        }
        if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
            kind = .float
            _ = skip(UInt8(ascii: "+")) || skip(UInt8(ascii: "-"))
            try digits()
        }
        let bytes = SharedSecret(copying: text.bytes[start..<position])
        return .scalar(Scalar(bytes: bytes, style: .plain, kind: kind))
    }

    private mutating func digits() throws(YAMLError) {
        let count = text.bytes[position...].prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            .count
        guard count > 0 else { throw error("expected a digit") }
        position += count
    }

    private mutating func string() throws(YAMLError) -> SharedSecret {
        position += 1
        var buffer = SecretBuffer()
        while true {
            let run = text.bytes[position...].prefix {
                $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 >= space
            }
            buffer.append(UnsafeRawBufferPointer(rebasing: run))
            position += run.count
            if skip(UInt8(ascii: "\"")) { return SharedSecret(buffer.finish()) }
            guard skip(UInt8(ascii: "\\")) else {
                throw error("expected the '\"' that ends a string; write line breaks in it as \\n")
            }
            try escape(into: &buffer)
        }
    }

    private mutating func escape(into buffer: inout SecretBuffer) throws(YAMLError) {
        guard let escaped = byte else { throw error("expected an escape") }
        position += 1
        switch escaped {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(escaped)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0C)
        case UInt8(ascii: "n"): buffer.append(lineFeed)
        case UInt8(ascii: "r"): buffer.append(carriageReturn)
        case UInt8(ascii: "t"): buffer.append(tab)
        case UInt8(ascii: "u"):
            appendUTF8(try codePoint(), to: &buffer)
        default:
            position -= 1
            throw error("unknown escape; a backslash itself is written \\\\")
        }
    }

    /// After `\u`; the second half of a surrogate pair is read too.
    private mutating func codePoint() throws(YAMLError) -> Unicode.Scalar {
        let start = position
        var value = try hexadecimal()
        if 0xD800..<0xDC00 ~= value, skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) {
            let low = try hexadecimal()
            value = 0xDC00..<0xE000 ~= low ? 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00) : value
        }
        guard let scalar = Unicode.Scalar(value) else {
            position = start
            throw error("half a surrogate pair")
        }
        return scalar
    }

    private mutating func hexadecimal() throws(YAMLError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = byte.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
                throw error("expected four hexadecimal digits after \\u")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
