import Primitives

/// Small files that hold a token, a JWT or a secret id: visible ASCII, white space around it cut off.
enum VaultSecretFile {
    /// Errors: `.misconfigured`, naming the file and what it is for.
    static func read(_ path: String, purpose: String) throws(VaultError) -> SharedSecret {
        let content: SecretBytes
        do {
            content = try SecretBytes(contentsOfFile: path, limit: 64 * 1024)
        } catch {
            throw VaultError(.misconfigured, "\(purpose) cannot be read: \(error)")
        }
        guard let secret = visibleASCII(content) else {
            throw VaultError(
                .misconfigured, "\(path) does not hold \(purpose): one line of visible ASCII is expected")
        }
        return secret
    }

    /// nil: empty, or not visible ASCII, which could smuggle in a header.
    static func visibleASCII(_ text: borrowing SecretBytes) -> SharedSecret? {
        text.withUnsafeBytes { bytes in
            let start = bytes.firstIndex { !isSpace($0) } ?? bytes.endIndex
            let end = bytes.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
            let trimmed = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            guard !trimmed.isEmpty, trimmed.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
            return SharedSecret(SecretBytes(copying: trimmed))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
}
