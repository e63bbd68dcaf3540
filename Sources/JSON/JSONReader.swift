import Cryptography

/// Reads JSON (RFC 8259) from memory, one value at a time and in the order of the bytes.
///
/// Values that the caller does not read are skipped, whatever their size or depth, without recursion and without
/// copies: in a skipped string only the end is searched for. Of members with equal keys the last one counts. Bytes that
/// are not UTF-8, and lone surrogates, are an error in a string that is read.
package struct JSONReader {
    private var scanner: JSONScanner

    /// A position that the reader can return to.
    package struct Position: Equatable, Sendable {
        fileprivate let offset: Int
    }

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

    package var position: Position { Position(offset: scanner.offset) }

    package mutating func rewind(to position: Position) { scanner.offset = position.offset }

    package func error(_ problem: JSONError.Problem) -> JSONError {
        JSONError(problem, offset: scanner.offset)
    }

    // MARK: values

    /// Calls `member` for each member of an object. A value that `member` does not read is skipped.
    package mutating func readObject(
        _ member: (JSONKey, inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard scanner.take("{") else { throw mismatch(.object) }
        guard !scanner.take("}") else { return }
        repeat {
            let key = try key()
            try value(key.pathComponent) { reader throws(JSONError) in try member(key, &reader) }
        } while try hasNext(before: "}")
    }

    /// Calls `element` for each element of an array. One that `element` does not read is skipped.
    package mutating func readArray(
        _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard scanner.take("[") else { throw mismatch(.array) }
        guard !scanner.take("]") else { return }
        var index = 0
        repeat {
            try value(.index(index), element)
            index += 1
        } while try hasNext(before: "]")
    }

    package mutating func readString() throws(JSONError) -> String {
        let (raw, start) = try rawString()
        return try JSONString.decode(raw, hasNoEscapes: JSONString.hasNoEscapes(raw), offset: start)
    }

    /// Reads a string into secret memory, without a copy elsewhere.
    package mutating func readSecret() throws(JSONError) -> SecretText {
        let (raw, start) = try rawString()
        return try JSONString.decodeSecret(raw, offset: start)
    }

    /// Returns the bytes of a string that has no escapes, such as base64, without a copy. They are valid for as long as
    /// the document's memory.
    package mutating func readUnescapedString() throws(JSONError) -> UnsafeRawBufferPointer {
        let (raw, start) = try rawString()
        guard JSONString.hasNoEscapes(raw) else { throw JSONError(.invalidString, offset: start) }
        return raw
    }

    package mutating func readBool() throws(JSONError) -> Bool {
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

    package mutating func readInteger() throws(JSONError) -> Int64 {
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
    package mutating func consumeNull() throws(JSONError) -> Bool {
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
    package mutating func skipValue() throws(JSONError) {
        var containers = JSONContainerStack()
        while true {
            if try enterContainer(&containers) { continue }
            // A value has ended. Closes the containers that end after it, up to one with another value.
            closing: while let isInObject = containers.isInObject {
                switch scanner.peek() {
                case UInt8(ascii: ","):
                    scanner.offset += 1
                    if isInObject { _ = try key() }
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
            _ = try key()
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

    /// Passes the next value to `read`, and skips it if `read` leaves it.
    private mutating func value(
        _ component: @autoclosure () -> JSONError.PathComponent,
        _ read: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        _ = scanner.peek()
        let start = scanner.offset
        do {
            try read(&self)
            if scanner.offset == start { try skipValue() }
        } catch {
            throw error.prefixingPath(component())
        }
    }

    /// Consumes a comma and returns true, or consumes the end of the container.
    private mutating func hasNext(before end: Unicode.Scalar) throws(JSONError) -> Bool {
        if scanner.take(",") { return true }
        guard scanner.take(end) else { throw error(.syntax) }
        return false
    }

    private mutating func key() throws(JSONError) -> JSONKey {
        guard scanner.peek() == UInt8(ascii: "\"") else { throw error(.syntax) }
        let (raw, start) = try rawString()
        guard scanner.take(":") else { throw error(.syntax) }
        return JSONKey(raw, offset: start)
    }

    private mutating func rawString() throws(JSONError) -> (raw: UnsafeRawBufferPointer, offset: Int) {
        guard scanner.peek() == UInt8(ascii: "\"") else { throw mismatch(.string) }
        let start = scanner.offset
        guard let raw = scanner.takeString() else { throw error(.syntax) }
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
