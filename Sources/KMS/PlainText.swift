import Cryptography

/// The text in settings and small files, as people and editors leave it there: with white space around it and, from
/// editors of Windows, a byte-order mark before it.
enum SettingText {
    /// U+FEFF in UTF-8.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    static func hasByteOrderMark(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.starts(with: byteOrderMark)
    }

    /// Returns whether a file is UTF-16, which editors and shells of Windows write: no reader here understands it.
    static func isUTF16(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
    }

    /// Returns the bytes behind a byte-order mark. They are valid as long as `bytes`.
    static func skippingByteOrderMark(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.dropFirst(hasByteOrderMark(bytes) ? byteOrderMark.count : 0))
    }

    /// Calls `body` with what is left without a byte-order mark and the white space around the text.
    static func trimmed<Result: ~Copyable, Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(
            UnsafeRawBufferPointer(rebasing: Whitespace.trimmed(skippingByteOrderMark(bytes)[...])))
    }

    /// Returns a copy of the trimmed text in secret memory, or nil if it is blank.
    static func trimmedSecret(_ bytes: UnsafeRawBufferPointer) -> SharedSecret? {
        trimmed(bytes) { $0.isEmpty ? nil : SharedSecret(SecretBytes(copying: $0)) }
    }
}

/// White space in UTF-8, as Python's `str.strip` (and so botocore) has it: that of ASCII, and what web pages and word
/// processors put in its place, such as U+00A0.
enum Whitespace {
    typealias Text = Slice<UnsafeRawBufferPointer>

    /// Returns the number of bytes of the white-space character that `text` starts with, or 0.
    static func leadingByteCount(_ text: Text) -> Int {
        guard let first = text.first else { return 0 }
        if isASCIIWhitespace(first) { return 1 }
        guard first >= 0x80 else { return 0 }
        return wide.first { text.starts(with: $0) }?.count ?? 0
    }

    static func trimmed(_ text: Text) -> Text {
        var text = text
        while case let count = leadingByteCount(text), count > 0 { text = text.dropFirst(count) }
        while let last = text.last {
            if isASCIIWhitespace(last) {
                text = text.dropLast()
            } else if last >= 0x80, let space = wide.first(where: { text.suffix($0.count).elementsEqual($0) })
            {
                text = text.dropLast(space.count)
            } else {
                break
            }
        }
        return text
    }

    /// U+0009 to U+000D, U+001C to U+0020.
    static func isASCIIWhitespace(_ byte: UInt8) -> Bool { 0x09...0x0D ~= byte || 0x1C...0x20 ~= byte }

    private static let wide: [[UInt8]] =
        ([0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000] + Array(0x2000...0x200A)).compactMap {
            Unicode.Scalar($0 as UInt32).map { Array(String($0).utf8) }
        }
}
