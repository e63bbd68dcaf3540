import COpenSSL

/// A private RSA key (RFC 8017). It never leaves libcrypto's memory, which is zeroed when the last owner releases it.
///
/// Thread safety: the key is immutable, and each decryption has its own context.
package final class RSAPrivateKey: @unchecked Sendable {
    package enum ReadingError: Error, Equatable, Sendable {
        /// The bytes are not DER of a private key, or are damaged.
        case notAPrivateKey
        /// The private key is of another algorithm.
        case notRSA
    }

    private let key: OpaquePointer

    /// Reads the DER of an `RSAPrivateKey` (PKCS#1, RFC 8017 A.1.2) or of a `PrivateKeyInfo` (PKCS#8, RFC 5208 5) that is
    /// not encrypted.
    package init(der: borrowing SecretBytes) throws(ReadingError) {
        let read = der.withUnsafeBytes { bytes -> OpaquePointer? in
            let start = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
            var position = start
            guard let key = d2i_AutoPrivateKey(nil, &position, bytes.count) else { return nil }
            guard let start, position == start + bytes.count else {
                EVP_PKEY_free(key)
                return nil
            }
            return key
        }
        // The error stack would add no more than that the DER cannot be read.
        ERR_clear_error()
        guard let read else { throw .notAPrivateKey }
        guard EVP_PKEY_is_a(read, "RSA") == 1 else {
            EVP_PKEY_free(read)
            throw .notRSA
        }
        key = read
    }

    /// Reads the first private key of a PEM text. An encrypted one is `notAPrivateKey`.
    package convenience init(pem: borrowing SecretBytes) throws(ReadingError) {
        let parsed = PEM.parsedBlocks(in: pem).first { $0.label.hasSuffix("PRIVATE KEY") }
        guard let block = try? parsed?.block.get(), !block.isEncrypted else { throw .notAPrivateKey }
        guard ["PRIVATE KEY", "RSA PRIVATE KEY"].contains(block.label) else { throw .notRSA }
        try self.init(der: block.contents.bytes)
    }

    /// Signs with RSASSA-PKCS1-v1_5 (RFC 8017 8.2.1) and SHA-256.
    package func signPKCS1SHA256(_ message: UnsafeRawBufferPointer) throws(CryptoError) -> [UInt8] {
        // The default padding of RSA keys is that of PKCS#1 v1.5.
        try sign(message) { _ in 1 }
    }

    /// Signs with RSASSA-PSS (RFC 8017 8.1.1) and SHA-256, also for the mask, and with a salt as long as the hash.
    package func signPSSSHA256(_ message: UnsafeRawBufferPointer) throws(CryptoError) -> [UInt8] {
        try sign(message) { sb_rsa_set_pss_padding($0) }
    }

    /// - Parameter configure: Sets the padding, and returns 1 on success.
    private func sign(
        _ message: UnsafeRawBufferPointer, _ configure: (OpaquePointer?) -> Int32
    ) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else {
            throw .libcrypto(activity: "allocating a signature", stack: drainErrorStack())
        }
        defer { EVP_MD_CTX_free(context) }
        // It belongs to `context`.
        var parameters: OpaquePointer?
        try requireSuccess("initialising a signature") {
            EVP_DigestSignInit(context, &parameters, EVP_sha256(), nil, key)
        }
        try requireSuccess("choosing the padding") { configure(parameters) }
        var signature = [UInt8](repeating: 0, count: Int(EVP_PKEY_get_size(key)))
        var count = signature.count
        try requireSuccess("signing") {
            EVP_DigestSign(
                context, &signature, &count, message.assumingMemoryBound(to: UInt8.self).baseAddress,
                message.count)
        }
        return Array(signature.prefix(count))
    }

    /// Decrypts RSAES-OAEP (RFC 8017 7.1.2) with SHA-256 for the label and for MGF1.
    ///
    /// - Throws: `authenticationFailed` for another key or label or changed bytes, which cannot be told apart. A ciphertext of
    ///   another length than that of the modulus costs no computation.
    package func decryptOAEP(
        _ ciphertext: UnsafeRawBufferPointer, label: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        let size = Int(EVP_PKEY_get_size(key))
        guard ciphertext.count == size else { throw .authenticationFailed }
        let context = try DecryptionContext(key)
        try context.start(label: label)
        var count = 0
        let largest = try SecretBytes(count: size) { output throws(CryptoError) in
            count = try context.decrypt(ciphertext, into: output)
        }
        return largest.withUnsafeBytes {
            SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0[..<count]))
        }
    }

    deinit { EVP_PKEY_free(key) }
}

/// Owns one EVP_PKEY_CTX for one decryption.
private struct DecryptionContext: ~Copyable {
    private let context: OpaquePointer

    init(_ key: OpaquePointer) throws(CryptoError) {
        guard let context = EVP_PKEY_CTX_new(key, nil) else {
            throw .libcrypto(activity: "allocating a decryption", stack: drainErrorStack())
        }
        self.context = context
    }

    func start(label: [UInt8]) throws(CryptoError) {
        guard let length = Int32(exactly: label.count) else {
            throw .wrongLength(of: "label", expected: Int(Int32.max), actual: label.count)
        }
        try requireSuccess("initialising RSA-OAEP") { EVP_PKEY_decrypt_init(context) }
        try requireSuccess("choosing OAEP") { sb_rsa_set_oaep_padding(context) }
        try requireSuccess("setting the hash") { EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) }
        try requireSuccess("setting the hash of MGF1") { EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) }
        // libcrypto's default is the empty label.
        guard length > 0 else { return }
        try requireSuccess("setting the label") { sb_rsa_set_oaep_label(context, label, length) }
    }

    /// Returns the number of bytes written; `output` is as long as the modulus.
    func decrypt(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) -> Int {
        var count = output.count
        ERR_clear_error()
        let result = EVP_PKEY_decrypt(
            context, output.assumingMemoryBound(to: UInt8.self).baseAddress, &count,
            input.assumingMemoryBound(to: UInt8.self).baseAddress, input.count)
        ERR_clear_error()
        guard result == 1, count <= output.count else { throw .authenticationFailed }
        return count
    }

    deinit { EVP_PKEY_CTX_free(context) }
}
