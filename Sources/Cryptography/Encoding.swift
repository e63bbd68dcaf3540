/// Standard base64 (RFC 4648, section 4), strict: padded, canonical, no white space. Tools that compare objects would
/// take two encodings of one ciphertext for two values. Values that Kubernetes decodes as well are decoded as Go does:
/// `decodeSecret(_:skipping:)`.
package enum Base64 {
    package struct DecodingError: Error, Equatable, Sendable {
        package enum Problem: Sendable { case length, character, padding, trailingBits }
        package let problem: Problem
        /// The offset of the first invalid byte in the text.
        package let offset: Int
    }

    package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let bytes = Array(bytes)
        return bytes.withUnsafeBytes { input in
            String(unsafeUninitializedCapacity: encodedCount(input.count)) { output in
                encode(input, into: UnsafeMutableRawBufferPointer(output))
                return encodedCount(input.count)
            }
        }
    }

    /// Writes `encodedCount(input.count)` bytes.
    static func encode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
        var out = 0
        var index = 0
        func emit(_ word: UInt32, _ shift: UInt32) {
            output[out] = alphabet[Int(word >> shift & 63)]
            out += 1
        }
        while index + 2 < input.count {
            let word = UInt32(input[index]) << 16 | UInt32(input[index + 1]) << 8 | UInt32(input[index + 2])
            for shift: UInt32 in [18, 12, 6, 0] { emit(word, shift) }
            index += 3
        }
        let rest = input.count - index
        guard rest > 0 else { return }
        let word = UInt32(input[index]) << 16 | (rest == 2 ? UInt32(input[index + 1]) << 8 : 0)
        emit(word, 18)
        emit(word, 12)
        if rest == 2 { emit(word, 6) }
        for _ in 0..<(3 - rest) {
            output[out] = padding
            out += 1
        }
    }

    package static func decode(_ text: String) throws(DecodingError) -> [UInt8] {
        try Array(text.utf8).withBytes { bytes throws(DecodingError) in
            var result = [UInt8](repeating: 0, count: try decodedCount(bytes))
            try result.withMutableBytes { output throws(DecodingError) in
                try decode(bytes, into: output, allowsTrailingBits: false)
            }
            return result
        }
    }

    /// Decodes strictly, into secret memory, without a copy elsewhere.
    package static func decodeSecret(_ text: UnsafeRawBufferPointer) throws(DecodingError) -> SecretBytes {
        try decodeSecret(text, allowsTrailingBits: false)
    }

    private static func decodeSecret(
        _ text: UnsafeRawBufferPointer, allowsTrailingBits: Bool
    ) throws(DecodingError) -> SecretBytes {
        let count = try decodedCount(text)
        return try SecretBytes(count: count) { output throws(DecodingError) in
            try decode(text, into: output, allowsTrailingBits: allowsTrailingBits)
        }
    }

    package static let lineBreaks: Set<UInt8> = [UInt8(ascii: "\n"), UInt8(ascii: "\r")]

    /// Decodes as Go's `base64.StdEncoding` does, which the API server uses: the bits that padding drops may be set.
    ///
    /// - Parameter skipped: bytes to ignore anywhere in the text; Go ignores `lineBreaks`. Offsets in errors do not
    ///   count them.
    package static func decodeSecret(
        _ text: borrowing SecretBytes, skipping skipped: Set<UInt8>
    ) throws(DecodingError) -> SecretBytes {
        try text.withUnsafeBytes { bytes throws(DecodingError) in try decodeSecret(bytes, skipping: skipped) }
    }

    package static func decodeSecret(
        _ text: UnsafeRawBufferPointer, skipping skipped: Set<UInt8>
    ) throws(DecodingError) -> SecretBytes {
        var compact = SecretBuffer(capacity: text.count)
        for byte in text where !skipped.contains(byte) { compact.append(byte) }
        return try compact.withUnsafeBytes { bytes throws(DecodingError) in
            try decodeSecret(bytes, allowsTrailingBits: true)
        }
    }

    private static func decodedCount(_ text: UnsafeRawBufferPointer) throws(DecodingError) -> Int {
        guard text.count.isMultiple(of: 4) else {
            throw DecodingError(problem: .length, offset: text.count)
        }
        let pads = text.suffix(2).reversed().prefix { $0 == padding }.count
        return text.count / 4 * 3 - pads
    }

    private static func decode(
        _ text: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, allowsTrailingBits: Bool
    ) throws(DecodingError) {
        var out = 0
        for start in stride(from: 0, to: text.count, by: 4) {
            var word: UInt32 = 0
            var pads = 0
            for offset in start..<start + 4 {
                let byte = text[offset]
                if byte == padding {
                    // Padding is valid in the last two places of the last group only.
                    guard start + 4 == text.count, offset >= start + 2 else {
                        throw DecodingError(problem: .padding, offset: offset)
                    }
                    pads += 1
                    word <<= 6
                    continue
                }
                guard pads == 0 else { throw DecodingError(problem: .padding, offset: offset) }
                let value = values[Int(byte)]
                guard value < 64 else { throw DecodingError(problem: .character, offset: offset) }
                word = word << 6 | UInt32(value)
            }
            let unused: UInt32 = pads == 0 ? 0 : (pads == 1 ? 0xFF : 0xFFFF)
            guard allowsTrailingBits || word & unused == 0 else {
                throw DecodingError(problem: .trailingBits, offset: start)
            }
            for place in 0..<(3 - pads) {
                output[out] = UInt8(truncatingIfNeeded: word >> UInt32(16 - 8 * place))
                out += 1
            }
        }
    }

    private static let padding = UInt8(ascii: "=")
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
        return table
    }()
}

/// Base64url without padding (RFC 4648, section 5), as JSON Web Tokens and some APIs use it.
package enum Base64URL {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        String(
            decoding: Base64.encode(bytes).utf8.lazy.filter { $0 != UInt8(ascii: "=") }.map(urlCharacter),
            as: UTF8.self)
    }

    /// Decodes strictly, into secret memory.
    package static func decodeSecret(
        _ text: UnsafeRawBufferPointer
    ) throws(Base64.DecodingError) -> SecretBytes {
        if let offset = text.firstIndex(where: { "+/=".utf8.contains($0) }) {
            throw Base64.DecodingError(problem: .character, offset: offset)
        }
        let padding = (4 - text.count % 4) % 4
        let standard = SecretBytes(count: text.count + padding) { target in
            for index in target.indices {
                guard index < text.count else {
                    target[index] = UInt8(ascii: "=")
                    continue
                }
                switch text[index] {
                case UInt8(ascii: "-"): target[index] = UInt8(ascii: "+")
                case UInt8(ascii: "_"): target[index] = UInt8(ascii: "/")
                case let byte: target[index] = byte
                }
            }
        }
        return try standard.withUnsafeBytes { bytes throws(Base64.DecodingError) in
            try Base64.decodeSecret(bytes)
        }
    }

    fileprivate static func urlCharacter(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "+"): UInt8(ascii: "-")
        case UInt8(ascii: "/"): UInt8(ascii: "_")
        default: byte
        }
    }
}

extension SecretBuffer {
    /// Appends base64url without padding.
    package mutating func appendBase64URL(_ bytes: UnsafeRawBufferPointer) {
        let standard = SecretBytes(count: Base64.encodedCount(bytes.count)) { Base64.encode(bytes, into: $0) }
        standard.withUnsafeBytes { characters in
            for byte in characters where byte != UInt8(ascii: "=") { append(Base64URL.urlCharacter(byte)) }
        }
    }
}

/// Returns lower-case hexadecimal. Not for secrets: the result is not zeroed.
package func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

extension [UInt8] {
    /// `withUnsafeBytes` that keeps the error's type and allows a noncopyable result.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try span.withUnsafeBytes(body)
    }

    /// `withUnsafeMutableBytes` that keeps the error's type and allows a noncopyable result.
    mutating func withMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = mutableSpan
        return try span.withUnsafeMutableBytes(body)
    }
}
