import Cryptography

/// What a token may consist of, so that it cannot smuggle in a header or a second line.
enum HeaderValue {
    /// Visible ASCII, without white space around it and a byte-order mark. nil: empty, or something else.
    static func visibleASCII(_ text: borrowing SecretBytes) -> SharedSecret? {
        trimmed(text) { 0x21...0x7E ~= $0 }
    }

    /// As `word`, with spaces in between: `Bearer abc`.
    static func printableASCII(_ text: borrowing SecretBytes) -> SharedSecret? {
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
