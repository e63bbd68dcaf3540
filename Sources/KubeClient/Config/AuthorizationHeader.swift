import Cryptography

/// Values of the `Authorization` header, made without leaving copies of the secret.
enum AuthorizationHeader {
    /// RFC 6750. White space around the token is cut off, and a byte-order mark before it, as editors write it into files;
    /// nil: empty, or not visible ASCII, which could smuggle in a header.
    static func bearer(_ token: borrowing SecretBytes) -> SharedSecret? {
        token.withUnsafeBytes { file in
            let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
            let bytes = file.dropFirst(file.starts(with: mark) ? mark.count : 0)
            let start = bytes.firstIndex { !isSpace($0) } ?? bytes.endIndex
            let end = bytes.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? bytes.endIndex
            let trimmed = UnsafeRawBufferPointer(rebasing: bytes[start..<max(start, end)])
            guard !trimmed.isEmpty, trimmed.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            var value = SecretBuffer(capacity: trimmed.count + 7)
            value.append("Bearer ")
            value.append(trimmed)
            return SharedSecret(value.finish())
        }
    }

    /// RFC 7617. `user` has no colon.
    static func basic(user: String, password: borrowing SecretBytes) -> SharedSecret {
        var pair = SecretBuffer(capacity: user.utf8.count + 1 + password.count)
        pair.append(Array(user.utf8))
        pair.append(UInt8(ascii: ":"))
        pair.append(password)
        var value = SecretBuffer()
        value.append("Basic ")
        pair.withUnsafeBytes { value.appendBase64($0) }
        return SharedSecret(value.finish())
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
}
