import Cryptography

/// JSON by RFC 8259, one value or several after each other, as events. Stricter in one thing: a surrogate has its pair. A
/// byte order mark may stand before each value, as where files are joined.
final class JSONEventParser: ParseEventStream {
    private enum Collection { case array, object }

    /// What the next call reads.
    private enum Step {
        /// Another document, or the end.
        case document
        case value
        /// The first element or key of a collection, or its end.
        case first
        /// A comma, or the end of a collection or document.
        case next
    }

    private let text: SourceText
    private var memory: ScalarArena
    private var position = 0
    private var step = Step.document
    private var collections: [Collection] = []

    init(_ text: SourceText) {
        self.text = text
        memory = ScalarArena(chunkSize: text.bytes.count)
    }

    /// Errors: the text is not JSON.
    static func validate(_ text: SourceText) throws(YAMLError) {
        let events = JSONEventParser(text)
        while true {
            let event = try events.next()
            if case .streamEnd = event.kind { return }
            // As deep as a document may be; the rest is not looked at.
            guard events.collections.count <= NodeComposer.maximumDepth else {
                throw events.error("nested too deep")
            }
        }
    }

    func next() throws(YAMLError) -> ParseEvent {
        switch step {
        case .document:
            skipSpace(andMarks: true)
            guard position < text.bytes.count else { return event(.streamEnd, from: position) }
            step = .value
            return event(.documentStart, from: position)
        case .value: return try value()
        case .first:
            skipSpace()
            if let end = end() { return end }
            return collections.last == .object ? try key() : try value()
        case .next:
            guard let collection = collections.last else {
                step = .document
                return event(.documentEnd, from: position)
            }
            skipSpace()
            if let end = end() { return end }
            guard skip(UInt8(ascii: ",")) else {
                throw error("expected ',' or '\(collection == .object ? "}" : "]")' after a value")
            }
            skipSpace()
            return collection == .object ? try key() : try value()
        }
    }

    private var byte: UInt8? { position < text.bytes.count ? text.bytes[position] : nil }

    private func skipSpace(andMarks: Bool = false) {
        while let byte {
            if byte == space || byte == tab || byte == lineFeed || byte == carriageReturn {
                position += 1
            } else if andMarks, text.bytes[position...].starts(with: SourceText.byteOrderMark) {
                position += SourceText.byteOrderMark.count
            } else {
                return
            }
        }
    }

    private func skip(_ character: UInt8) -> Bool {
        guard byte == character else { return false }
        position += 1
        return true
    }

    private func error(_ message: String) -> YAMLError {
        let end = position == text.bytes.count ? ", where the file ends" : ""
        return text.error(.syntax, at: position, "not valid JSON: \(message)\(end)")
    }

    private func event(_ kind: ParseEvent.Kind, from start: Int) -> ParseEvent {
        ParseEvent(kind: kind, range: text.range(start, position))
    }

    /// The end of the innermost collection, if it is here.
    private func end() -> ParseEvent? {
        let start = position
        switch collections.last {
        case .object where skip(UInt8(ascii: "}")):
            collections.removeLast()
            step = .next
            return event(.mappingEnd, from: start)
        case .array where skip(UInt8(ascii: "]")):
            collections.removeLast()
            step = .next
            return event(.sequenceEnd, from: start)
        default: return nil
        }
    }

    private func key() throws(YAMLError) -> ParseEvent {
        guard byte == UInt8(ascii: "\"") else { throw error("expected a key in double quotes") }
        let key = try string()
        skipSpace()
        guard skip(UInt8(ascii: ":")) else { throw error("expected ':' after a key") }
        skipSpace()
        step = .value
        return key
    }

    private func value() throws(YAMLError) -> ParseEvent {
        step = .next
        switch byte {
        case UInt8(ascii: "{"): return open(.object, .mappingStart(ParseEvent.NodeProperties(), isFlow: true))
        case UInt8(ascii: "["): return open(.array, .sequenceStart(ParseEvent.NodeProperties(), isFlow: true))
        case UInt8(ascii: "\""): return try string()
        case UInt8(ascii: "t"): return try word("true", .bool)
        case UInt8(ascii: "f"): return try word("false", .bool)
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
        default: throw error("expected a value")
        }
    }

    private func open(_ collection: Collection, _ kind: ParseEvent.Kind) -> ParseEvent {
        let start = position
        position += 1
        collections.append(collection)
        step = .first
        return event(kind, from: start)
    }

    private func word(_ word: String, _ kind: YAMLScalar.ValueType) throws(YAMLError) -> ParseEvent {
        let start = position
        guard text.bytes[position...].starts(with: word.utf8) else { throw error("expected a value") }
        position += word.utf8.count
        return plain(from: start, kind)
    }

    private func number() throws(YAMLError) -> ParseEvent {
        let start = position
        _ = skip(UInt8(ascii: "-"))
        if !skip(UInt8(ascii: "0")) { try digits() }
        var kind = YAMLScalar.ValueType.int
        if skip(UInt8(ascii: ".")) {
            kind = .float
            try digits()
        }
        if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
            kind = .float
            _ = skip(UInt8(ascii: "+")) || skip(UInt8(ascii: "-"))
            try digits()
        }
        return plain(from: start, kind)
    }

    private func plain(from start: Int, _ kind: YAMLScalar.ValueType) -> ParseEvent {
        let bytes = UnsafeRawBufferPointer(rebasing: text.bytes[start..<position])
        return event(
            .scalar(memory.store(bytes), .plain, ParseEvent.NodeProperties(), kind: kind), from: start)
    }

    private func digits() throws(YAMLError) {
        let count = text.bytes[position...].prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            .count
        guard count > 0 else { throw error("expected a digit") }
        position += count
    }

    private func string() throws(YAMLError) -> ParseEvent {
        let start = position
        position += 1
        var buffer = SecretBuffer()
        while true {
            let run = text.bytes[position...].prefix {
                $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 >= space
            }
            buffer.append(UnsafeRawBufferPointer(rebasing: run))
            position += run.count
            if skip(UInt8(ascii: "\"")) {
                let stored = buffer.withUnsafeBytes { memory.store($0) }
                return event(
                    .scalar(stored, .doubleQuoted, ParseEvent.NodeProperties(), kind: .string), from: start)
            }
            guard skip(UInt8(ascii: "\\")) else {
                throw error("expected the '\"' that ends a string; write line breaks in it as \\n")
            }
            try escape(into: &buffer)
        }
    }

    private func escape(into buffer: inout SecretBuffer) throws(YAMLError) {
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
    private func codePoint() throws(YAMLError) -> Unicode.Scalar {
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

    private func hexadecimal() throws(YAMLError) -> UInt32 {
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
