import Glibc

/// Reads JSON (RFC 8259) from memory, a value at a time and in the order of the bytes.
///
/// What the caller does not read is skipped, whatever its size or depth, without recursion and without memory for it:
/// of skipped strings only the end is looked for. Of members with equal keys the last one counts. Bytes that are not
/// UTF-8, and halves of surrogate pairs, are an error in a string that is read.
package struct JSONReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    /// A place to come back to.
    package struct Position: Equatable, Sendable {
        fileprivate let offset: Int
    }

    /// Reads the beginning of a document; see `read(_:from:)` for a whole one.
    package init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// The one value that `bytes` hold.
    package static func read<Value: JSONReadable>(
        _ type: Value.Type, from bytes: UnsafeRawBufferPointer
    ) throws(JSONError) -> Value {
        var reader = JSONReader(bytes)
        let value = try Value(json: &reader)
        guard reader.next() == nil else { throw reader.error(.syntax) }
        return value
    }

    package static func read<Value: JSONReadable>(
        _ type: Value.Type, from bytes: [UInt8]
    ) throws(JSONError) -> Value {
        try bytes.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in try read(type, from: bytes) }
        }.get()
    }

    package var position: Position { Position(offset: offset) }

    package mutating func rewind(to mark: Position) { offset = mark.offset }

    package func error(_ problem: JSONError.Problem) -> JSONError { JSONError(problem, offset: offset) }

    // MARK: values

    /// Hands over each member of an object. A value that `member` does not read is skipped.
    package mutating func readObject(
        _ member: (JSONKey, inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try open(.object, "{")
        guard !takes("}") else { return }
        repeat {
            let key = try key()
            try value(key.pathComponent) { reader throws(JSONError) in try member(key, &reader) }
        } while try goesOn(until: "}")
    }

    /// Hands over each element of an array. One that `element` does not read is skipped.
    package mutating func readArray(
        _ element: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        try open(.array, "[")
        guard !takes("]") else { return }
        var index = 0
        repeat {
            try value(.index(index), element)
            index += 1
        } while try goesOn(until: "]")
    }

    package mutating func readString() throws(JSONError) -> String {
        guard next() == UInt8(ascii: "\"") else { throw mismatch(.string) }
        let start = offset
        let raw = try rawString()
        return try JSONStringDecoding.decode(
            raw, isPlain: JSONStringDecoding.hasNoEscapes(raw), offset: start)
    }

    /// The bytes of a string that has no escapes, as base64 has none, without a copy. They are valid for as long as the
    /// document's memory.
    package mutating func readUnescapedString() throws(JSONError) -> UnsafeRawBufferPointer {
        guard next() == UInt8(ascii: "\"") else { throw mismatch(.string) }
        let start = offset
        let raw = try rawString()
        guard JSONStringDecoding.hasNoEscapes(raw) else { throw JSONError(.invalidString, offset: start) }
        return raw
    }

    package mutating func readBool() throws(JSONError) -> Bool {
        switch next() {
        case UInt8(ascii: "t"):
            try literal("true")
            return true
        case UInt8(ascii: "f"):
            try literal("false")
            return false
        default: throw mismatch(.boolean)
        }
    }

    package mutating func readInteger() throws(JSONError) -> Int64 {
        guard let first = next(), Self.beginsNumber(first) else { throw mismatch(.integer) }
        let start = offset
        let isWhole = try number()
        guard isWhole else { throw JSONError(.typeMismatch(expected: .integer), offset: start) }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        guard let value = Int64(text) else { throw JSONError(.outOfRange, offset: start) }
        return value
    }

    /// Takes a null, if there is one.
    package mutating func consumeNull() throws(JSONError) -> Bool {
        guard next() == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    /// The bytes of one value, whatever it is, without a copy. They are valid for as long as the document's memory.
    package mutating func readRawValue() throws(JSONError) -> UnsafeRawBufferPointer {
        _ = next()
        let start = offset
        try skipValue()
        return UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
    }

    /// Steps over one value, whatever it is.
    package mutating func skipValue() throws(JSONError) {
        var nesting = JSONContainerStack()
        while true {
            if try enters(&nesting) { continue }
            // A value has ended, and maybe the containers around it.
            closing: while let isInObject = nesting.isInObject {
                switch next() {
                case UInt8(ascii: ","):
                    offset += 1
                    if isInObject { _ = try key() }
                    break closing
                case UInt8(ascii: "}") where isInObject, UInt8(ascii: "]") where !isInObject:
                    offset += 1
                    nesting.pop()
                default: throw error(.syntax)
                }
            }
            if nesting.isInObject == nil { return }
        }
    }

    // MARK: parts

    /// Steps into a container that is not empty, and returns true; or over any other value.
    private mutating func enters(_ nesting: inout JSONContainerStack) throws(JSONError) -> Bool {
        switch next() {
        case UInt8(ascii: "{"):
            offset += 1
            if takes("}") { return false }
            nesting.push(object: true)
            _ = try key()
            return true
        case UInt8(ascii: "["):
            offset += 1
            if takes("]") { return false }
            nesting.push(object: false)
            return true
        case UInt8(ascii: "\""): _ = try rawString()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        case let byte? where Self.beginsNumber(byte): _ = try number()
        default: throw error(.syntax)
        }
        return false
    }

    /// Lets `read` have the value that begins here, or skips it.
    private mutating func value(
        _ step: @autoclosure () -> JSONError.PathComponent,
        _ read: (inout JSONReader) throws(JSONError) -> Void
    ) throws(JSONError) {
        _ = next()
        let start = offset
        do {
            try read(&self)
            if offset == start { try skipValue() }
        } catch {
            throw error.prefixingPath(step())
        }
    }

    private mutating func open(_ kind: JSONError.ExpectedType, _ bracket: Unicode.Scalar) throws(JSONError) {
        guard takes(bracket) else { throw mismatch(kind) }
    }

    /// Takes a comma, and returns true; or the end.
    private mutating func goesOn(until end: Unicode.Scalar) throws(JSONError) -> Bool {
        if takes(",") { return true }
        guard takes(end) else { throw error(.syntax) }
        return false
    }

    private mutating func key() throws(JSONError) -> JSONKey {
        guard next() == UInt8(ascii: "\"") else { throw error(.syntax) }
        let start = offset
        let raw = try rawString()
        guard takes(":") else { throw error(.syntax) }
        return JSONKey(raw, offset: start)
    }

    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        guard next() == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    /// The next byte that is not white space, which stays; nil at the end.
    private mutating func next() -> UInt8? {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// What is between the quotation marks; `offset` is at the first.
    private mutating func rawString() throws(JSONError) -> UnsafeRawBufferPointer {
        let start = offset + 1
        var from = start
        while from < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + from, 0x22, bytes.count - from)
        {
            let end = UnsafeRawPointer(found) - base
            var slash = end
            while slash > start, bytes[slash - 1] == 0x5C { slash -= 1 }
            from = end + 1
            // An odd number of backslashes escapes the quotation mark.
            guard (end - slash) & 1 == 0 else { continue }
            offset = from
            return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        }
        throw error(.syntax)
    }

    private mutating func literal(_ text: StaticString) throws(JSONError) {
        let count = text.utf8CodeUnitCount
        guard bytes.count - offset >= count, let base = bytes.baseAddress,
            memcmp(base + offset, text.utf8Start, count) == 0
        else { throw error(.syntax) }
        offset += count
    }

    private static func beginsNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte)
    }

    /// Steps over a number. Returns whether it has neither a fraction nor an exponent.
    private mutating func number() throws(JSONError) -> Bool {
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let first = offset
        let digits = digits()
        guard digits > 0, digits == 1 || bytes[first] != UInt8(ascii: "0") else { throw error(.syntax) }
        var isWhole = true
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            guard self.digits() > 0 else { throw error(.syntax) }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            offset += 1
            if offset < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[offset]) {
                offset += 1
            }
            guard self.digits() > 0 else { throw error(.syntax) }
        }
        return isWhole
    }

    private mutating func digits() -> Int {
        let start = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        return offset - start
    }

    /// Something else is here than `kind`.
    private mutating func mismatch(_ kind: JSONError.ExpectedType) -> JSONError {
        switch next() {
        case UInt8(ascii: "n")?: error(.unexpectedNull(expected: kind))
        case UInt8(ascii: "{")?, UInt8(ascii: "[")?, UInt8(ascii: "\"")?, UInt8(ascii: "t")?,
            UInt8(ascii: "f")?:
            error(.typeMismatch(expected: kind))
        case let byte? where Self.beginsNumber(byte): error(.typeMismatch(expected: kind))
        default: error(.syntax)
        }
    }
}
