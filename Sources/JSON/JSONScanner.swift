import Glibc

/// The grammar of JSON's tokens (RFC 8259, sections 2, 6 and 7) over bytes in memory. `JSONReader` and the YAML
/// module's parser of JSON files are both built on it; each reports errors in its own way.
///
/// The bytes must outlive the scanner.
@usableFromInline
package struct JSONScanner {
    package let bytes: UnsafeRawBufferPointer
    /// The offset of the next byte. After a method that fails, an offset in or right after the invalid token.
    @usableFromInline package var offset = 0

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Skips white space.
    ///
    /// - Returns: the next byte, which is not consumed, or nil at the end.
    @inline(__always)
    package mutating func peek() -> UInt8? {
        // The API server writes no white space: most calls end here.
        if offset < bytes.count, bytes[offset] > 0x20 { return bytes[offset] }
        return peekAfterWhiteSpace()
    }

    private mutating func peekAfterWhiteSpace() -> UInt8? {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// Consumes a character, after white space.
    ///
    /// - Returns: false if another byte follows, which is not consumed.
    @inline(__always)
    package mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    /// Consumes `text`, which is `true`, `false` or `null`, if it starts at the next byte.
    package mutating func takeLiteral(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - offset >= count, let base = bytes.baseAddress,
            memcmp(base + offset, text.utf8Start, count) == 0
        else { return false }
        offset += count
        return true
    }

    /// Consumes a string whose opening quotation mark is the next byte. Only the closing one is searched for; escapes
    /// are not checked; `JSONString` does that.
    ///
    /// - Returns: the bytes between the quotation marks, or nil if there is no closing one.
    package mutating func takeString() -> UnsafeRawBufferPointer? {
        takeRawString()?.bytes
    }

    /// Consumes a string like `takeString`, and finds out at the same time if a short one has only printable ASCII
    /// characters and no escape, as nearly all keys and values of an object do.
    mutating func takeRawString() -> JSONRawString? {
        let start = offset + 1
        let end = endOfPlainText(from: start)
        if end < bytes.count, bytes[end] == 0x22 {
            offset = end + 1
            return JSONRawString(
                bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), isPlainASCII: true)
        }
        return takeString(from: start, searchingFrom: end).map {
            JSONRawString(bytes: $0, isPlainASCII: false)
        }
    }

    /// The longest string that is examined byte by byte. For longer ones `memchr` is faster.
    private static let maximumPlainLength = 128

    /// Returns the offset of the first byte that is not a printable ASCII character of a string, or at which the search
    /// was given up.
    ///
    /// Examines eight bytes at a time. `(word - ones) & ~word` has the high bit set in the lowest zero byte, and
    /// `(word - 0x2020...) & ~word` in the lowest byte less than 0x20. Bits above the lowest one may be wrong.
    private func endOfPlainText(from start: Int) -> Int {
        let limit = min(bytes.count, start + Self.maximumPlainLength)
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        while index + 8 <= limit {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let quotes = word ^ (ones &* 0x22)
            let backslashes = word ^ (ones &* 0x5C)
            let found =
                ((quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes
                    | (word &- ones &* 0x20) & ~word | word) & (ones &* 0x80)
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < limit, (0x20..<0x80).contains(bytes[index]), bytes[index] != 0x22, bytes[index] != 0x5C
        {
            index += 1
        }
        return index
    }

    /// - Parameter from: a position in the string before which there is neither a quotation mark nor a backslash.
    private mutating func takeString(from start: Int, searchingFrom from: Int) -> UnsafeRawBufferPointer? {
        var from = from
        while from < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + from, 0x22, bytes.count - from)
        {
            let end = UnsafeRawPointer(found) - base
            var firstBackslash = end
            while firstBackslash > start, bytes[firstBackslash - 1] == 0x5C { firstBackslash -= 1 }
            from = end + 1
            // An odd number of backslashes escapes the quotation mark.
            guard (end - firstBackslash) & 1 == 0 else { continue }
            offset = from
            return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        }
        return nil
    }

    package static func beginsNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte)
    }

    /// Consumes a number that starts at the next byte.
    ///
    /// - Returns: Whether the number has neither a fraction nor an exponent, or nil if a digit is missing or follows a
    ///   leading zero.
    package mutating func takeNumber() -> Bool? {
        var isInteger = true
        _ = takeNext("-")
        let start = offset
        guard takeDigits(), offset == start + 1 || bytes[start] != UInt8(ascii: "0") else { return nil }
        if takeNext(".") {
            isInteger = false
            guard takeDigits() else { return nil }
        }
        if takeNext("e") || takeNext("E") {
            isInteger = false
            _ = takeNext("+") || takeNext("-")
            guard takeDigits() else { return nil }
        }
        return isInteger
    }

    private mutating func takeNext(_ character: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func takeDigits() -> Bool {
        let start = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        return offset > start
    }
}

/// The bytes between the quotation marks of a string.
struct JSONRawString {
    let bytes: UnsafeRawBufferPointer
    /// True if all characters are known to be printable ASCII without escapes. A long string may have only such
    /// characters although this is false.
    let isPlainASCII: Bool

    var hasNoEscapes: Bool { isPlainASCII || JSONString.hasNoEscapes(bytes) }
}
