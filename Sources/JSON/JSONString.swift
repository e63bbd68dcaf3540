package import Cryptography
import Glibc
import System

/// Strings of JSON (RFC 8259, section 7): decodes what is between the quotation marks, and writes them.
package enum JSONString {
    /// Describes why the bytes between quotation marks are not a string.
    package struct DecodingError: Error {
        package enum Problem: Sendable { case controlCharacter, unknownEscape, notHexadecimal, loneSurrogate }

        package let problem: Problem
        /// The offset of the byte in question, from the opening quotation mark.
        package let offset: Int
    }

    // MARK: decoding

    /// Searches for a backslash (0x5C), which begins every escape.
    static func hasNoEscapes(_ raw: UnsafeRawBufferPointer) -> Bool {
        nextEscape(in: raw, from: 0) == raw.count
    }

    private static func nextEscape(in raw: UnsafeRawBufferPointer, from index: Int) -> Int {
        guard let base = raw.baseAddress, let found = memchr(base + index, 0x5C, raw.count - index) else {
            return raw.count
        }
        return UnsafeRawPointer(found) - base
    }

    /// - Parameter offset: the offset of the string, for the error.
    static func decode(_ raw: JSONRawString, offset: Int) throws(JSONError) -> String {
        if raw.isPlainASCII { return String(decoding: raw.bytes, as: UTF8.self) }
        let text: String?
        if hasNoEscapes(raw.bytes) {
            text = hasControlCharacter(raw.bytes) ? nil : String(validating: raw.bytes, as: UTF8.self)
        } else {
            var buffer = SecretBuffer(capacity: raw.bytes.count)
            text = (try? unescape(raw.bytes, into: &buffer)).flatMap {
                buffer.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
            }
        }
        guard let text else { throw JSONError(.invalidString, offset: offset) }
        return text
    }

    /// Decodes a string without a copy in ordinary memory.
    static func decodeSecret(_ raw: UnsafeRawBufferPointer, offset: Int) throws(JSONError) -> SecretText {
        var buffer = SecretBuffer(capacity: raw.count)
        do throws(DecodingError) {
            try unescape(raw, into: &buffer)
        } catch {
            throw JSONError(.invalidString, offset: offset)
        }
        guard let text = SecretText(SharedSecret(buffer.finish())) else {
            throw JSONError(.invalidString, offset: offset)
        }
        return text
    }

    /// Appends the text of a string, without checking that it is UTF-8.
    ///
    /// - Parameter raw: the bytes between the quotation marks.
    package static func unescape(
        _ raw: UnsafeRawBufferPointer, into text: inout SecretBuffer
    ) throws(DecodingError) {
        var index = 0
        while index < raw.count {
            let end = nextEscape(in: raw, from: index)
            let run = UnsafeRawBufferPointer(rebasing: raw[index..<end])
            if hasControlCharacter(run), let position = run.firstIndex(where: { $0 < 0x20 }) {
                throw DecodingError(problem: .controlCharacter, offset: index + position + 1)
            }
            text.append(run)
            index = end
            guard index < raw.count else { return }
            index += 1
            guard index < raw.count else { throw DecodingError(problem: .unknownEscape, offset: index + 1) }
            if raw[index] == UInt8(ascii: "u") {
                index += 1
                append(try codePoint(raw, &index), to: &text)
            } else {
                guard let byte = singleCharacterEscape(raw[index]) else {
                    throw DecodingError(problem: .unknownEscape, offset: index + 1)
                }
                text.append(byte)
                index += 1
            }
        }
    }

    /// Examines eight bytes at a time. In `(word - 0x2020...) & ~word`, the lowest byte that was less than 0x20 has its
    /// high bit set. If there was no such byte, no byte has.
    private static func hasControlCharacter(_ raw: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index + 8 <= raw.count {
            let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080 != 0 { return true }
            index += 8
        }
        while index < raw.count {
            if raw[index] < 0x20 { return true }
            index += 1
        }
        return false
    }

    private static func singleCharacterEscape(_ escape: UInt8) -> UInt8? {
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): escape
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: nil
        }
    }

    /// Reads one character from the four hexadecimal digits after `\u`, or from two such escapes, a surrogate pair.
    private static func codePoint(
        _ raw: UnsafeRawBufferPointer, _ index: inout Int
    ) throws(DecodingError) -> Unicode.Scalar {
        let start = index
        let lead = try codeUnit(raw, &index)
        if let scalar = Unicode.Scalar(lead) { return scalar }
        if UTF16.isLeadSurrogate(lead), index + 1 < raw.count, raw[index] == 0x5C,
            raw[index + 1] == UInt8(ascii: "u")
        {
            index += 2
            let trail = try codeUnit(raw, &index)
            if UTF16.isTrailSurrogate(trail) { return UTF16.decode(UTF16.EncodedScalar([lead, trail])) }
        }
        throw DecodingError(problem: .loneSurrogate, offset: start + 1)
    }

    private static func codeUnit(
        _ raw: UnsafeRawBufferPointer, _ index: inout Int
    ) throws(DecodingError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard index < raw.count, let digit = hexadecimalDigit(raw[index]) else {
                throw DecodingError(problem: .notHexadecimal, offset: index + 1)
            }
            unit = unit << 4 | digit
            index += 1
        }
        return unit
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case 0x30...0x39: UInt16(byte) - 0x30
        case 0x41...0x46: UInt16(byte) - 0x41 + 10
        case 0x61...0x66: UInt16(byte) - 0x61 + 10
        default: nil
        }
    }

    // MARK: writing

    /// Appends a quoted string. It is also valid as a double-quoted string of YAML.
    ///
    /// - Parameter text: valid UTF-8.
    package static func appendQuoted(_ text: UnsafeRawBufferPointer, to output: inout SecretBuffer) {
        appendQuoted(text, to: &output, escaping: needsEscape)
    }

    private static func appendQuoted(
        _ text: UnsafeRawBufferPointer, to output: inout SecretBuffer,
        escaping needsEscape: (Unicode.Scalar) -> Bool
    ) {
        output.append(UInt8(ascii: "\""))
        var scalars = UTF8Scalars(bytes: text)
        while true {
            output.append(scalars.takePlainASCII())
            guard let scalar = scalars.next() else { break }
            appendCharacter(scalar, to: &output, escaping: needsEscape)
        }
        output.append(UInt8(ascii: "\""))
    }

    /// Appends one character of a quoted string, as an escape if JSON or `needsEscape` wants one.
    package static func appendCharacter(
        _ scalar: Unicode.Scalar, to output: inout SecretBuffer,
        escaping needsEscape: (Unicode.Scalar) -> Bool
    ) {
        switch scalar {
        case "\"": output.append("\\\"")
        case "\\": output.append("\\\\")
        case "\n": output.append("\\n")
        case "\r": output.append("\\r")
        case "\t": output.append("\\t")
        case _ where scalar.value < 0x20 || needsEscape(scalar):
            for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                appendEscape(unit, to: &output)
            }
        default: append(scalar, to: &output)
        }
    }

    private static func appendEscape(_ unit: UInt16, to output: inout SecretBuffer) {
        output.append("\\u")
        for shift: UInt16 in [12, 8, 4, 0] {
            let digit = UInt8(truncatingIfNeeded: unit >> shift & 15)
            output.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    private static func append(_ scalar: Unicode.Scalar, to buffer: inout SecretBuffer) {
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { buffer.append(byte) }
    }

    /// Returns true if a character is written as an escape: it is not printable in YAML 1.1 or 1.2, is a line break or
    /// byte order mark to some parser, or makes an editor or a terminal show another text than the file holds.
    package static func needsEscape(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF: true
        default: scalar.isBidirectionalControl
        }
    }

    /// Appends a quoted string in which invisible characters are escapes too, so that a terminal that prints the JSON does
    /// not obey them.
    package static func appendVisiblyQuoted(_ text: String, to output: inout SecretBuffer) {
        var text = text
        text.withUTF8 { appendQuoted(UnsafeRawBufferPointer($0), to: &output, escaping: \.isInvisible) }
    }
}

/// The Unicode scalars of valid UTF-8, without a `String` that would copy them.
package struct UTF8Scalars: Sequence, IteratorProtocol {
    private var rest: Slice<UnsafeRawBufferPointer>

    package init(bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    /// Takes the characters that JSON writes as they are and that take one byte each, up to the next other one.
    mutating func takePlainASCII() -> UnsafeRawBufferPointer {
        let end = rest.firstIndex { $0 < 0x20 || $0 >= 0x7F || $0 == 0x22 || $0 == 0x5C } ?? rest.endIndex
        defer { rest = rest[end...] }
        return UnsafeRawBufferPointer(rebasing: rest[..<end])
    }

    package mutating func next() -> Unicode.Scalar? {
        guard let first = rest.first else { return nil }
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        var value = length == 1 ? UInt32(first) : UInt32(first) & (0x7F >> UInt32(length))
        for byte in rest.dropFirst().prefix(length - 1) { value = value << 6 | UInt32(byte & 0x3F) }
        rest = rest.dropFirst(length)
        return Unicode.Scalar(value)
    }
}
