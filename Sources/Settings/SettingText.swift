package import Cryptography
import System

/// Reads the text of settings and small files, around which users and editors leave white space, and before which
/// editors of Windows leave a byte-order mark.
package enum SettingText {
    /// U+FEFF in UTF-8.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    package static func hasByteOrderMark(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.starts(with: byteOrderMark)
    }

    /// Returns true if a byte-order mark shows UTF-16, which Windows programs write, and which is not supported.
    package static func isUTF16(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
    }

    /// Returns the bytes after a byte-order mark. The result is valid only as long as `bytes` is.
    package static func skippingByteOrderMark(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.dropFirst(hasByteOrderMark(bytes) ? byteOrderMark.count : 0))
    }

    /// Calls `body` with the text without a byte-order mark and the white space around it.
    package static func trimmed<Result: ~Copyable, Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(
            UnsafeRawBufferPointer(rebasing: Whitespace.trimmed(skippingByteOrderMark(bytes)[...])))
    }

    /// Returns a copy of the trimmed text in secret memory, or nil if it is blank.
    package static func trimmedSecret(_ bytes: UnsafeRawBufferPointer) -> SharedSecret? {
        trimmed(bytes) { $0.isEmpty ? nil : SharedSecret(SecretBytes(copying: $0)) }
    }
}

/// Reads tokens from text, and rejects those that could inject a header field or a second line into a request.
package enum HeaderValue {
    /// Returns the trimmed text, or nil if it is empty or has other characters than visible ASCII.
    package static func visibleASCII(_ text: borrowing SecretBytes) -> SharedSecret? {
        trimmed(text) { 0x21...0x7E ~= $0 }
    }

    /// Returns the trimmed text, or nil if it is empty or has other characters than visible ASCII and spaces, as in
    /// `Bearer abc`.
    package static func printableASCII(_ text: borrowing SecretBytes) -> SharedSecret? {
        trimmed(text) { 0x20...0x7E ~= $0 }
    }

    private static func trimmed(
        _ text: borrowing SecretBytes, _ isAllowed: (UInt8) -> Bool
    ) -> SharedSecret? {
        text.withUnsafeBytes { bytes in
            SettingText.trimmed(bytes) { trimmed in
                guard !trimmed.isEmpty, trimmed.allSatisfy(isAllowed) else { return nil }
                return SharedSecret(SecretBytes(copying: trimmed))
            }
        }
    }
}

/// White space in UTF-8, as Python's `str.strip` (and so botocore) defines it: that of ASCII, and the characters that
/// web pages and word processors use instead, such as U+00A0.
package enum Whitespace {
    package typealias Text = Slice<UnsafeRawBufferPointer>

    /// Returns the number of bytes of the white-space character that `text` starts with, or 0.
    package static func leadingByteCount(_ text: Text) -> Int {
        guard let first = text.first else { return 0 }
        if isASCIIWhitespace(first) { return 1 }
        guard first >= 0x80 else { return 0 }
        return wide.first { text.starts(with: $0) }?.count ?? 0
    }

    package static func trimmed(_ text: Text) -> Text {
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

    /// Returns true for U+0009 to U+000D and U+001C to U+0020.
    package static func isASCIIWhitespace(_ byte: UInt8) -> Bool {
        0x09...0x0D ~= byte || 0x1C...0x20 ~= byte
    }

    /// The white-space characters beyond ASCII, each in UTF-8.
    private static let wide: [[UInt8]] =
        ([0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000] + Array(0x2000...0x200A)).compactMap {
            Unicode.Scalar($0 as UInt32).map { Array(String($0).utf8) }
        }
}
