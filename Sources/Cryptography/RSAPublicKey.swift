import COpenSSL

/// A public RSA key of 3072 or 4096 bits with the exponent 65537, which wraps data keys. Its DER is the one canonical form, so
/// that a key has one fingerprint.
///
/// Thread safety: the key is immutable, and each encryption has its own context.
package final class RSAPublicKey: @unchecked Sendable {
    package enum ReadingError: Error, Equatable, Sendable {
        /// The text has no PEM block `PUBLIC KEY`, or more than that.
        case notOnePEMBlock
        /// The bytes are not DER of a public key, or are damaged.
        case notAPublicKey
        /// The DER is not the canonical form, so that a key could have several fingerprints.
        case notCanonical
        /// The public key is of another algorithm.
        case notRSA
        /// The modulus has another size than 3072 or 4096 bits.
        case unsupportedSize(bits: Int)
        /// The exponent is not 65537.
        case unsupportedExponent
        /// The modulus cannot be that of an RSA key.
        case invalidModulus
    }

    private let key: OpaquePointer
    /// The DER of the SubjectPublicKeyInfo (RFC 5280, section 4.1).
    package let der: [UInt8]
    /// The length of the modulus, and so of every ciphertext, in bytes.
    package let byteCount: Int

    package static let supportedBits = [3072, 4096]

    /// Reads the DER of a SubjectPublicKeyInfo.
    package init(der: [UInt8]) throws(ReadingError) {
        let read = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var position = bytes.baseAddress
            guard let key = d2i_PUBKEY(nil, &position, bytes.count) else { return nil }
            guard let start = bytes.baseAddress, position == start + bytes.count else {
                EVP_PKEY_free(key)
                return nil
            }
            return key
        }
        // The error stack would add no more than that the DER cannot be read.
        ERR_clear_error()
        guard let read else { throw .notAPublicKey }
        do throws(ReadingError) {
            try Self.check(read, der)
        } catch {
            EVP_PKEY_free(read)
            throw error
        }
        key = read
        self.der = der
        byteCount = Int(EVP_PKEY_get_size(read))
    }

    /// Reads a text that has one PEM block, `PUBLIC KEY`.
    package convenience init(pem: String) throws(ReadingError) {
        let blocks = try? PEM.blocks(in: SecretBytes(copying: Array(pem.utf8)))
        guard let blocks, blocks.count == 1, blocks[0].label == "PUBLIC KEY", !blocks[0].isEncrypted else {
            throw .notOnePEMBlock
        }
        try self.init(der: blocks[0].contents.bytes.withUnsafeBytes { Array($0) })
    }

    /// Makes the key of a modulus and an exponent, which are big-endian (RFC 7518, section 6.3.1).
    package convenience init(modulus: [UInt8], exponent: [UInt8]) throws(ReadingError) {
        let key = DER.sequence(DER.integer(modulus) + DER.integer(exponent))
        try self.init(der: DER.sequence(DER.rsaEncryption + DER.bitString(key)))
    }

    private static func check(_ key: OpaquePointer, _ der: [UInt8]) throws(ReadingError) {
        defer { ERR_clear_error() }
        guard EVP_PKEY_is_a(key, "RSA") == 1 else { throw .notRSA }
        let bits = Int(EVP_PKEY_get_bits(key))
        guard supportedBits.contains(bits) else { throw .unsupportedSize(bits: bits) }
        var exponent: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, "e", &exponent) == 1 else { throw .notAPublicKey }
        defer { BN_free(exponent) }
        guard BN_is_word(exponent, 65537) == 1 else { throw .unsupportedExponent }
        guard canonicalDER(key) == der else { throw .notCanonical }
        // The modulus is odd, composite and has no small factor (SP 800-56B, section 6.4.2.2).
        guard let context = EVP_PKEY_CTX_new(key, nil) else { throw .invalidModulus }
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_public_check(context) == 1 else { throw .invalidModulus }
    }

    private static func canonicalDER(_ key: OpaquePointer) -> [UInt8] {
        let count = Int(i2d_PUBKEY(key, nil))
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        let written = bytes.withUnsafeMutableBufferPointer { buffer in
            var position = buffer.baseAddress
            return Int(i2d_PUBKEY(key, &position))
        }
        return written == count ? bytes : []
    }

    /// The key as a PEM block `PUBLIC KEY` with a final line break.
    package var pem: String {
        var text = SecretBuffer(capacity: der.count * 2)
        PEM.append(SecretBytes(copying: der), label: "PUBLIC KEY", to: &text)
        return text.finish().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// `sha256:` and the SHA-256 of the DER in hexadecimal digits.
    package func fingerprint() throws(CryptoError) -> String { "sha256:" + hex(try sha256(der)) }

    /// Encrypts with RSAES-OAEP (RFC 8017 7.1.1), with SHA-256 for the label and for MGF1, and an empty label: the form that
    /// the KMSs decrypt, and `RSA-OAEP-256` of RFC 7518.
    package func encryptOAEP(_ plaintext: borrowing SecretBytes) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_PKEY_CTX_new(key, nil) else {
            throw .libcrypto(activity: "allocating an encryption", stack: drainErrorStack())
        }
        defer { EVP_PKEY_CTX_free(context) }
        try requireSuccess("initialising RSA-OAEP") { EVP_PKEY_encrypt_init(context) }
        try requireSuccess("choosing OAEP") { sb_rsa_set_oaep_padding(context) }
        try requireSuccess("setting the hash") { EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) }
        try requireSuccess("setting the hash of MGF1") { EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) }
        var ciphertext = [UInt8](repeating: 0, count: byteCount)
        var count = ciphertext.count
        try plaintext.withUnsafeBytes { bytes throws(CryptoError) in
            try requireSuccess("encrypting with RSA-OAEP") {
                EVP_PKEY_encrypt(
                    context, &ciphertext, &count, bytes.assumingMemoryBound(to: UInt8.self).baseAddress,
                    bytes.count)
            }
        }
        guard count == byteCount else {
            throw .wrongLength(of: "RSA ciphertext", expected: byteCount, actual: count)
        }
        return ciphertext
    }

    deinit { EVP_PKEY_free(key) }
}

/// Writes the few types of DER (ITU-T X.690) that a public key consists of.
private enum DER {
    /// The algorithm identifier `rsaEncryption` with its NULL parameters (RFC 3279, section 2.3.1).
    static let rsaEncryption: [UInt8] = [
        0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
    ]

    static func sequence(_ content: [UInt8]) -> [UInt8] { value(0x30, content) }

    static func bitString(_ content: [UInt8]) -> [UInt8] { value(0x03, [0] + content) }

    /// An unsigned integer: no leading zeroes, except for one before a byte with the highest bit set.
    static func integer(_ bigEndian: [UInt8]) -> [UInt8] {
        let digits = Array(bigEndian.drop { $0 == 0 })
        return value(0x02, digits.first.map { $0 < 0x80 } ?? false ? digits : [0] + digits)
    }

    private static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = content.count
        while rest > 0 {
            length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        }
        let prefix =
            content.count < 0x80
            ? [UInt8(truncatingIfNeeded: content.count)]
            : [0x80 | UInt8(truncatingIfNeeded: length.count)] + length
        return [tag] + prefix + content
    }
}
