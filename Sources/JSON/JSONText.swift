import Glibc

/// Strings of JSON: what is between the quotation marks, as text.
enum JSONStringDecoding {
    /// Whether there is no escape in it.
    static func hasNoEscapes(_ raw: UnsafeRawBufferPointer) -> Bool {
        guard let base = raw.baseAddress else { return true }
        return memchr(base, 0x5C, raw.count) == nil
    }

    static func decode(
        _ raw: UnsafeRawBufferPointer, isPlain: Bool, offset: Int
    ) throws(JSONError) -> String {
        let text = isPlain ? validated(raw) : unescaped(raw)
        guard let text else { throw JSONError(.invalidString, offset: offset) }
        return text
    }

    private static func validated(_ raw: UnsafeRawBufferPointer) -> String? {
        guard !hasControlCharacter(raw) else { return nil }
        return String(validating: raw, as: UTF8.self)
    }

    /// Eight bytes at a time: the high bit of a byte of `(word - 0x20...) & ~word` is set in the lowest byte that is
    /// less than 0x20, and in none where there is no such byte.
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

    private static func unescaped(_ raw: UnsafeRawBufferPointer) -> String? {
        guard !hasControlCharacter(raw) else { return nil }
        var text: [UInt8] = []
        text.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            guard raw[index] == 0x5C else {
                let end = nextEscape(in: raw, from: index)
                text.append(contentsOf: raw[index..<end])
                index = end
                continue
            }
            guard index + 1 < raw.count else { return nil }
            let escape = raw[index + 1]
            index += 2
            if escape == UInt8(ascii: "u") {
                guard let scalar = scalar(raw, &index) else { return nil }
                text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            } else {
                guard let byte = single(escape) else { return nil }
                text.append(byte)
            }
        }
        return String(validating: text, as: UTF8.self)
    }

    private static func nextEscape(in raw: UnsafeRawBufferPointer, from index: Int) -> Int {
        guard let base = raw.baseAddress, let found = memchr(base + index, 0x5C, raw.count - index) else {
            return raw.count
        }
        return UnsafeRawPointer(found) - base
    }

    private static func single(_ escape: UInt8) -> UInt8? {
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

    /// One character from `\uXXXX`, or from two of them that are a surrogate pair. `index` is after the first `\u`.
    private static func scalar(_ raw: UnsafeRawBufferPointer, _ index: inout Int) -> Unicode.Scalar? {
        guard let first = unit(raw, &index) else { return nil }
        guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) }
        guard index + 1 < raw.count, raw[index] == 0x5C, raw[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        index += 2
        guard let second = unit(raw, &index), UTF16.isTrailSurrogate(second) else { return nil }
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
    }

    private static func unit(_ raw: UnsafeRawBufferPointer, _ index: inout Int) -> UInt16? {
        guard raw.count - index >= 4 else { return nil }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = hexDigit(raw[index]) else { return nil }
            unit = unit << 4 | digit
            index += 1
        }
        return unit
    }

    private static func hexDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case 0x30...0x39: UInt16(byte) - 0x30
        case 0x41...0x46: UInt16(byte) - 0x41 + 10
        case 0x61...0x66: UInt16(byte) - 0x61 + 10
        default: nil
        }
    }
}
