import COpenSSL

/// SHA-256 (FIPS 180-4) of public bytes that are in several places, without a copy of them all.
package struct SHA256Digest: ~Copyable {
    private let context: OpaquePointer

    /// Fetched once, because OpenSSL 3 looks an algorithm up by its name at each use otherwise. libcrypto counts the references to
    /// it in a thread-safe way, and it is never freed.
    nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

    package init() throws(CryptoError) {
        context = try Self.makeContext()
    }

    private static func makeContext() throws(CryptoError) -> OpaquePointer {
        guard let context = EVP_MD_CTX_new() else {
            throw .libcrypto(activity: "SHA-256", stack: drainErrorStack())
        }
        do throws(CryptoError) {
            try requireSuccess("SHA-256") { EVP_DigestInit_ex2(context, algorithm ?? EVP_sha256(), nil) }
        } catch {
            EVP_MD_CTX_free(context)
            throw error
        }
        return context
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) {
        guard !bytes.isEmpty, EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) != 1 else { return }
        throw .libcrypto(activity: "SHA-256", stack: drainErrorStack())
    }

    /// Adds a text after its length in bytes (64 bits, little-endian), so that different sequences of texts have different digests.
    package mutating func update(lengthAndText text: String) throws(CryptoError) {
        var text = text
        let result = text.withUTF8 { text in
            Result<Void, CryptoError> { () throws(CryptoError) in
                try withUnsafeBytes(of: UInt64(text.count).littleEndian) { length throws(CryptoError) in
                    try update(length)
                }
                try update(UnsafeRawBufferPointer(text))
            }
        }
        try result.get()
    }

    /// Returns the 32 bytes of the digest.
    package consuming func finish() throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        try requireSuccess("SHA-256") { EVP_DigestFinal_ex(context, &digest, nil) }
        return digest
    }
}
