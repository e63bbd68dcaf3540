import Cryptography
import Glibc

/// Reads JSON (RFC 8259) from memory, one value at a time and in the order of the bytes.
///
/// Values that the caller does not read are skipped, whatever their size or depth, without recursion and without
/// copies: in a skipped string only the end is searched for. Of members with equal keys the last one counts. Bytes that
/// are not UTF-8, and lone surrogates, are an error in a string that is read.
///
/// The reader is public, and not `package` like everything else, because the compiler inlines only public functions into
/// the modules that call them, which doubles the speed.
public struct JSONReader {
    @usableFromInline var scanner: JSONScanner
    private var sharedStrings = JSONSharedStrings()

    /// A position that the reader can return to.
    public struct Position: Equatable, Sendable {
        fileprivate let offset: Int
    }

    /// Makes equal strings of the document share memory, as far as they are close to each other. For a list, whose objects
    /// have most texts in common.
    package mutating func shareStrings() { sharedStrings.enable() }

    /// Creates a reader that does not check what follows the values it reads; `read(_:from:)` reads a whole document.
    package init(_ bytes: UnsafeRawBufferPointer) {
        scanner = JSONScanner(bytes)
    }

    /// Reads the one value that `bytes` hold.
    package static func read<Value: JSONReadable>(
        _ type: Value.Type, from bytes: UnsafeRawBufferPointer
    ) throws(JSONError) -> Value {
        try read(from: bytes) { json throws(JSONError) in try Value(json: &json) }
    }

    package static func read<Value: JSONReadable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(JSONError) -> Value {
        try bytes.withBytes { bytes throws(JSONError) in try read(type, from: bytes) }
    }

    static func read<Value>(
        from bytes: UnsafeRawBufferPointer, _ body: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        var reader = JSONReader(bytes)
        let value = try body(&reader)
        guard reader.scanner.peek() == nil else { throw reader.error(.syntax) }
        return value
    }

    public var position: Position { Position(offset: scanner.offset) }

    public mutating func rewind(to position: Position) { scanner.offset = position.offset }

    public func error(_ problem: JSONError.Problem) -> JSONError {
        JSONError(problem, offset: scanner.offset)
    }

    // MARK: values

    /// Calls `member` for each member of an object. A value that `member` does not read is skipped.
    @inlinable
    public mutating func readObject(
        _ member: (JSONKey, inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        var next = try firstKey()
        while let key = next {
            let start = scanner.offset
            do throws(JSONError) {
                try member(key, &self)
                if scanner.offset == start { try skipValue() }
            } catch {
                throw key.prefixingPath(of: error)
            }
            next = try nextKey()
        }
    }

    /// Calls `element` for each element of an array. One that `element` does not read is skipped.
    @inlinable
    public mutating func readArray(
        _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard try firstElement() else { return }
        var index = 0
        repeat {
            let start = scanner.offset
            do throws(JSONError) {
                try element(&self)
                if scanner.offset == start { try skipValue() }
            } catch {
                throw error.prefixingPath(.index(index))
            }
            index += 1
        } while try nextElement()
    }

    public mutating func readString() throws(JSONError) -> String {
        let (raw, start) = try rawString()
        if raw.isPlainASCII, sharedStrings.isEnabled { return sharedStrings.string(raw.bytes) }
        return try JSONString.decode(raw, offset: start)
    }

    /// Reads the key of a member of a map.
    public mutating func text(of key: JSONKey) throws(JSONError) -> String {
        if key.isPlainASCII, sharedStrings.isEnabled { return sharedStrings.string(key.raw) }
        return try key.text()
    }

    /// Reads a string into secret memory, without a copy elsewhere.
    package mutating func readSecret() throws(JSONError) -> SecretText {
        let (raw, start) = try rawString()
        return try JSONString.decodeSecret(raw.bytes, offset: start)
    }

    /// Returns the bytes of a string that has no escapes, such as base64, without a copy. They are valid for as long as
    /// the document's memory.
    package mutating func readUnescapedString() throws(JSONError) -> UnsafeRawBufferPointer {
        let (raw, start) = try rawString()
        guard raw.hasNoEscapes else { throw JSONError(.invalidString, offset: start) }
        return raw.bytes
    }

    /// Reads the key of a member of a map without its prefix, or returns nil for a key without that prefix or with invalid
    /// characters.
    ///
    /// - Parameter prefix: ASCII.
    package mutating func text(of key: JSONKey, droppingPrefix prefix: StaticString) -> String? {
        let count = prefix.utf8CodeUnitCount
        guard key.isPlainASCII else {
            guard let text = try? key.text(), text.utf8.starts(with: "\(prefix)".utf8) else { return nil }
            return String(text.unicodeScalars.dropFirst(count))
        }
        guard key.raw.count >= count, let raw = key.raw.baseAddress, memcmp(raw, prefix.utf8Start, count) == 0
        else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: key.raw[count...])
        return sharedStrings.isEnabled ? sharedStrings.string(rest) : String(decoding: rest, as: UTF8.self)
    }

    public mutating func readBool() throws(JSONError) -> Bool {
        switch scanner.peek() {
        case UInt8(ascii: "t"):
            try takeLiteral("true")
            return true
        case UInt8(ascii: "f"):
            try takeLiteral("false")
            return false
        default: throw mismatch(.boolean)
        }
    }

    public mutating func readInteger() throws(JSONError) -> Int64 {
        guard let first = scanner.peek(), JSONScanner.beginsNumber(first) else { throw mismatch(.integer) }
        let start = scanner.offset
        let (text, isInteger) = try readNumber()
        guard isInteger else { throw JSONError(.typeMismatch(expected: .integer), offset: start) }
        guard let value = Int64(text) else { throw JSONError(.outOfRange, offset: start) }
        return value
    }

    /// Reads a number that starts at the next byte.
    private mutating func readNumber() throws(JSONError) -> (text: String, isInteger: Bool) {
        let start = scanner.offset
        guard let isInteger = scanner.takeNumber() else { throw error(.syntax) }
        return (String(decoding: scanner.bytes[start..<scanner.offset], as: UTF8.self), isInteger)
    }

    /// Reads any value but an object or an array, a string as a secret. Returns nil for those two and consumes nothing.
    mutating func readScalar() throws(JSONError) -> JSONValue? {
        switch scanner.peek() {
        case UInt8(ascii: "{")?, UInt8(ascii: "[")?: return nil
        case UInt8(ascii: "\"")?: return .secret(try readSecret())
        case UInt8(ascii: "t")?, UInt8(ascii: "f")?: return .bool(try readBool())
        case UInt8(ascii: "n")?:
            try takeLiteral("null")
            return .null
        case let byte? where JSONScanner.beginsNumber(byte):
            let (text, isInteger) = try readNumber()
            return isInteger ? Int(text).map { .int($0) } ?? .number(text) : .number(text)
        default: throw error(.syntax)
        }
    }

    /// The getter is mutating because a look at the next byte skips white space.
    var isAtArray: Bool {
        mutating get { scanner.peek() == UInt8(ascii: "[") }
    }

    /// Consumes a null, if the next value is one.
    public mutating func consumeNull() throws(JSONError) -> Bool {
        guard scanner.peek() == UInt8(ascii: "n") else { return false }
        try takeLiteral("null")
        return true
    }

    /// Returns the bytes of one value of any type, without a copy. They are valid for as long as the document's memory.
    package mutating func readRawValue() throws(JSONError) -> UnsafeRawBufferPointer {
        _ = scanner.peek()
        let start = scanner.offset
        try skipValue()
        return UnsafeRawBufferPointer(rebasing: scanner.bytes[start..<scanner.offset])
    }

    /// Skips one value of any type.
    public mutating func skipValue() throws(JSONError) {
        var containers = JSONContainerStack()
        while true {
            if try enterContainer(&containers) { continue }
            // A value has ended. Closes the containers that end after it, up to one with another value.
            closing: while let isInObject = containers.isInObject {
                switch scanner.peek() {
                case UInt8(ascii: ","):
                    scanner.offset += 1
                    if isInObject { try skipKey() }
                    break closing
                case UInt8(ascii: "}") where isInObject, UInt8(ascii: "]") where !isInObject:
                    scanner.offset += 1
                    containers.pop()
                default: throw error(.syntax)
                }
            }
            if containers.isInObject == nil { return }
        }
    }

    // MARK: tokens and members

    /// Enters a container that is not empty and returns true, or skips any other value.
    private mutating func enterContainer(_ containers: inout JSONContainerStack) throws(JSONError) -> Bool {
        switch scanner.peek() {
        case UInt8(ascii: "{"):
            scanner.offset += 1
            if scanner.take("}") { return false }
            containers.push(object: true)
            try skipKey()
            return true
        case UInt8(ascii: "["):
            scanner.offset += 1
            if scanner.take("]") { return false }
            containers.push(object: false)
            return true
        case UInt8(ascii: "\""): _ = try rawString()
        case UInt8(ascii: "t"): try takeLiteral("true")
        case UInt8(ascii: "f"): try takeLiteral("false")
        case UInt8(ascii: "n"): try takeLiteral("null")
        case let byte? where JSONScanner.beginsNumber(byte):
            guard scanner.takeNumber() != nil else { throw error(.syntax) }
        default: throw error(.syntax)
        }
        return false
    }

    /// Enters an object.
    ///
    /// - Returns: the key of the first member, whose value is next, or nil if the object is empty and consumed.
    @usableFromInline mutating func firstKey() throws(JSONError) -> JSONKey? {
        guard scanner.take("{") else { throw mismatch(.object) }
        return scanner.take("}") ? nil : try key()
    }

    /// - Returns: the key of the next member, whose value is next, or nil if the object has ended and is consumed.
    @usableFromInline mutating func nextKey() throws(JSONError) -> JSONKey? {
        if scanner.take(",") { return try key() }
        guard scanner.take("}") else { throw error(.syntax) }
        return nil
    }

    /// Enters an array.
    ///
    /// - Returns: false if it is empty, and consumed.
    @usableFromInline mutating func firstElement() throws(JSONError) -> Bool {
        guard scanner.take("[") else { throw mismatch(.array) }
        if scanner.take("]") { return false }
        _ = scanner.peek()
        return true
    }

    /// - Returns: false if the array has ended and is consumed.
    @usableFromInline mutating func nextElement() throws(JSONError) -> Bool {
        if scanner.take(",") {
            _ = scanner.peek()
            return true
        }
        guard scanner.take("]") else { throw error(.syntax) }
        return false
    }

    /// Consumes a key and its colon, and the white space before the value.
    private mutating func key() throws(JSONError) -> JSONKey {
        guard scanner.peek() == UInt8(ascii: "\"") else { throw error(.syntax) }
        let (raw, start) = try rawString()
        guard scanner.take(":") else { throw error(.syntax) }
        _ = scanner.peek()
        return JSONKey(raw, offset: start)
    }

    private mutating func skipKey() throws(JSONError) {
        guard scanner.peek() == UInt8(ascii: "\""), scanner.takeRawString() != nil, scanner.take(":") else {
            throw error(.syntax)
        }
    }

    private mutating func rawString() throws(JSONError) -> (raw: JSONRawString, offset: Int) {
        guard scanner.peek() == UInt8(ascii: "\"") else { throw mismatch(.string) }
        let start = scanner.offset
        guard let raw = scanner.takeRawString() else { throw error(.syntax) }
        return (raw, start)
    }

    private mutating func takeLiteral(_ text: StaticString) throws(JSONError) {
        guard scanner.takeLiteral(text) else { throw error(.syntax) }
    }

    /// The error for a value of another type than the expected one, or for bytes that are no value.
    private mutating func mismatch(_ expected: JSONError.ExpectedType) -> JSONError {
        switch scanner.peek() {
        case UInt8(ascii: "n")?: error(.unexpectedNull(expected: expected))
        case UInt8(ascii: "{")?, UInt8(ascii: "[")?, UInt8(ascii: "\"")?, UInt8(ascii: "t")?,
            UInt8(ascii: "f")?:
            error(.typeMismatch(expected: expected))
        case let byte? where JSONScanner.beginsNumber(byte): error(.typeMismatch(expected: expected))
        default: error(.syntax)
        }
    }
}
