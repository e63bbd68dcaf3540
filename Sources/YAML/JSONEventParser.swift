import Cryptography
import JSON

/// Parses JSON (RFC 8259) to events: one value, or several after each other. It is stricter in one thing: a surrogate must
/// have its pair. A byte order mark is ignored before each value, as in joined files.
final class JSONEventParser: ParseEventStream {
    private enum Collection { case array, object }

    /// The element that the next call parses.
    private enum State {
        /// Another document, or the end.
        case document
        case value
        /// The first element or key of a collection, or its end.
        case first
        /// A comma, or the end of a collection or document.
        case next
    }

    private let text: SourceText
    private var arena: ScalarArena
    private var scanner: JSONScanner
    private var state = State.document
    private var collections: [Collection] = []
    /// True if a string with half a surrogate pair, which other programs accept, is read as it is written.
    private let acceptsHalfPairs: Bool

    init(_ text: SourceText, acceptsHalfPairs: Bool = false) {
        self.text = text
        self.acceptsHalfPairs = acceptsHalfPairs
        arena = ScalarArena(chunkSize: text.bytes.count)
        scanner = JSONScanner(text.bytes)
    }

    /// - Throws: `YAMLError` if the text is not JSON.
    static func validate(_ text: SourceText) throws(YAMLError) {
        let events = JSONEventParser(text)
        while true {
            let event = try events.next()
            if case .streamEnd = event.kind { return }
            guard events.collections.count <= NodeComposer.maximumDepth else {
                throw events.error("nested too deep")
            }
        }
    }

    func next() throws(YAMLError) -> ParseEvent {
        switch state {
        case .document:
            while scanner.peek() != nil, text.bytes[scanner.offset...].starts(with: SourceText.byteOrderMark)
            {
                scanner.offset += SourceText.byteOrderMark.count
            }
            guard scanner.offset < text.bytes.count else { return event(.streamEnd, from: scanner.offset) }
            state = .value
            return event(.documentStart, from: scanner.offset)
        case .value: return try value()
        case .first:
            if let end = end() { return end }
            return collections.last == .object ? try key() : try value()
        case .next:
            guard let collection = collections.last else {
                state = .document
                return event(.documentEnd, from: scanner.offset)
            }
            if let end = end() { return end }
            guard scanner.take(",") else {
                throw error("expected ',' or '\(collection == .object ? "}" : "]")' after a value")
            }
            return collection == .object ? try key() : try value()
        }
    }

    private func error(_ message: String) -> YAMLError {
        let end = scanner.offset == text.bytes.count ? ", where the file ends" : ""
        return text.error(.syntax, at: scanner.offset, "not valid JSON: \(message)\(end)")
    }

    private func event(_ kind: ParseEvent.Kind, from start: Int) -> ParseEvent {
        ParseEvent(kind: kind, range: text.range(start, scanner.offset))
    }

    /// Returns the end of the innermost collection if it comes next.
    private func end() -> ParseEvent? {
        _ = scanner.peek()
        let start = scanner.offset
        let isObject = collections.last == .object
        guard scanner.take(isObject ? "}" : "]") else { return nil }
        collections.removeLast()
        state = .next
        return event(isObject ? .mappingEnd : .sequenceEnd, from: start)
    }

    private func key() throws(YAMLError) -> ParseEvent {
        guard scanner.peek() == UInt8(ascii: "\"") else { throw error("expected a key in double quotes") }
        let key = try string()
        guard scanner.take(":") else { throw error("expected ':' after a key") }
        state = .value
        return key
    }

    private func value() throws(YAMLError) -> ParseEvent {
        let byte = scanner.peek()
        let start = scanner.offset
        state = .next
        switch byte {
        case UInt8(ascii: "{"): return open(.object, .mappingStart(ParseEvent.NodeProperties(), isFlow: true))
        case UInt8(ascii: "["): return open(.array, .sequenceStart(ParseEvent.NodeProperties(), isFlow: true))
        case UInt8(ascii: "\""): return try string()
        case UInt8(ascii: "t") where scanner.takeLiteral("true"): return plain(from: start, .bool)
        case UInt8(ascii: "f") where scanner.takeLiteral("false"): return plain(from: start, .bool)
        case UInt8(ascii: "n") where scanner.takeLiteral("null"): return plain(from: start, .null)
        case let byte? where JSONScanner.beginsNumber(byte):
            guard let isInteger = scanner.takeNumber() else { throw error("expected a digit") }
            return plain(from: start, isInteger ? .int : .float)
        default: throw error("expected a value")
        }
    }

    private func open(_ collection: Collection, _ kind: ParseEvent.Kind) -> ParseEvent {
        let start = scanner.offset
        scanner.offset += 1
        collections.append(collection)
        state = .first
        return event(kind, from: start)
    }

    private func plain(from start: Int, _ type: YAMLScalar.ValueType) -> ParseEvent {
        let bytes = UnsafeRawBufferPointer(rebasing: text.bytes[start..<scanner.offset])
        return event(scalar(arena.store(bytes), .plain, type), from: start)
    }

    private func scalar(
        _ text: ScalarText, _ style: YAMLScalar.Style, _ type: YAMLScalar.ValueType
    ) -> ParseEvent.Kind {
        .scalar(text, style, ParseEvent.NodeProperties(), type: type)
    }

    private func string() throws(YAMLError) -> ParseEvent {
        let start = scanner.offset
        let raw = scanner.takeString()
        var buffer = SecretBuffer()
        do throws(JSONString.DecodingError) {
            let rest = UnsafeRawBufferPointer(rebasing: text.bytes[(start + 1)...])
            try JSONString.unescape(raw ?? rest, into: &buffer)
        } catch {
            if acceptsHalfPairs, error.problem == .loneSurrogate, let raw {
                return event(scalar(arena.store(raw), .doubleQuoted, .string), from: start)
            }
            scanner.offset = start + error.offset
            throw self.error(Self.message(error.problem))
        }
        guard raw != nil else {
            scanner.offset = text.bytes.count
            throw error(Self.message(.controlCharacter))
        }
        let stored = buffer.withUnsafeBytes { arena.store($0) }
        return event(scalar(stored, .doubleQuoted, .string), from: start)
    }

    private static func message(_ problem: JSONString.DecodingError.Problem) -> String {
        switch problem {
        case .controlCharacter: "expected the '\"' that ends a string; write line breaks in it as \\n"
        case .unknownEscape: "unknown escape; a backslash itself is written \\\\"
        case .notHexadecimal: "expected four hexadecimal digits after \\u"
        case .loneSurrogate: "half a surrogate pair"
        }
    }
}
