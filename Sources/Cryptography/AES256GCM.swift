import COpenSSL

/// AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag, in the layout
/// nonce ‖ ciphertext ‖ tag. The nonce of `seal` is random, which is safe here because a data key
/// encrypts one set of values once (see docs/envelope.md).
package enum AES256GCM {
    package static let keyLength = 32
    package static let nonceLength = 12
    package static let tagLength = 16
    package static let overhead = nonceLength + tagLength

    /// Returns nonce ‖ ciphertext ‖ tag under a random nonce.
    package static func seal(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, associatedData: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        try seal(
            plaintext, key: key, nonce: randomBytes(count: nonceLength), associatedData: associatedData)
    }

    /// Returns nonce ‖ ciphertext ‖ tag under the given nonce, which the caller must use once under this key.
    package static func seal(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        guard nonce.count == nonceLength else {
            throw .wrongLength(of: "nonce", expected: nonceLength, actual: nonce.count)
        }
        return try nonce + encrypt(plaintext, key: key, nonce: nonce, associatedData: associatedData)
    }

    /// Decrypts nonce ‖ ciphertext ‖ tag.
    ///
    /// - Throws: `authenticationFailed` if the tag does not match. Partially decrypted bytes are never returned.
    package static func open(
        _ sealed: UnsafeRawBufferPointer, key: borrowing SecretBytes, associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        guard sealed.count >= overhead else {
            throw .wrongLength(of: "sealed box", expected: overhead, actual: sealed.count)
        }
        return try decrypt(
            UnsafeRawBufferPointer(rebasing: sealed.dropFirst(nonceLength)), key: key,
            nonce: Array(sealed.prefix(nonceLength)), associatedData: associatedData)
    }

    package static func open(
        _ sealed: [UInt8], key: borrowing SecretBytes, associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        try sealed.withBytes { bytes throws(CryptoError) in
            try open(bytes, key: key, associatedData: associatedData)
        }
    }

    /// Returns ciphertext ‖ tag. Accepts nonces of 1 to 128 bytes, as libcrypto does, for the published test vectors;
    /// the layout of `seal` has room for 96 bits only.
    static func encrypt(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        let context = try CipherContext()
        try context.start(key: key, nonce: nonce, encrypting: true)
        try context.authenticate(associatedData)
        var sealed = [UInt8](repeating: 0, count: plaintext.count + tagLength)
        try plaintext.withUnsafeBytes { input throws(CryptoError) in
            try sealed.withMutableBytes { output throws(CryptoError) in
                try context.update(
                    input, into: UnsafeMutableRawBufferPointer(rebasing: output.dropLast(tagLength)))
                try context.finish(tagInto: UnsafeMutableRawBufferPointer(rebasing: output.suffix(tagLength)))
            }
        }
        return sealed
    }

    /// Decrypts ciphertext ‖ tag.
    static func decrypt(
        _ sealed: UnsafeRawBufferPointer, key: borrowing SecretBytes, nonce: [UInt8], associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        // libcrypto accepts a shorter tag and verifies its few bytes only.
        guard sealed.count >= tagLength else {
            throw .wrongLength(of: "ciphertext and tag", expected: tagLength, actual: sealed.count)
        }
        let context = try CipherContext()
        try context.start(key: key, nonce: nonce, encrypting: false)
        try context.authenticate(associatedData)
        let body = UnsafeRawBufferPointer(rebasing: sealed.dropLast(tagLength))
        let tag = UnsafeRawBufferPointer(rebasing: sealed.suffix(tagLength))
        return try SecretBytes(count: body.count) { output throws(CryptoError) in
            try context.update(body, into: output)
            try context.finish(expecting: tag)
        }
    }
}

/// Owns one EVP_CIPHER_CTX for one message. libcrypto zeroes the key schedule when the context is freed. The functions
/// `sb_gcm_...` of the module COpenSSL call `EVP_CIPHER_CTX_ctrl`.
private struct CipherContext: ~Copyable {
    private let context: OpaquePointer

    init() throws(CryptoError) {
        guard let context = EVP_CIPHER_CTX_new() else {
            throw .libcrypto(activity: "allocating a cipher", stack: drainErrorStack())
        }
        self.context = context
    }

    func start(key: borrowing SecretBytes, nonce: [UInt8], encrypting: Bool) throws(CryptoError) {
        guard key.count == AES256GCM.keyLength else {
            throw .wrongLength(of: "key", expected: AES256GCM.keyLength, actual: key.count)
        }
        guard !nonce.isEmpty else {
            throw .wrongLength(of: "nonce", expected: AES256GCM.nonceLength, actual: 0)
        }
        let direction: Int32 = encrypting ? 1 : 0
        try requireSuccess("initialising AES-256-GCM") {
            EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, nil, nil, direction)
        }
        try requireSuccess("setting the nonce length") {
            sb_gcm_set_nonce_length(context, Int32(nonce.count))
        }
        try key.withUnsafeBytes { key throws(CryptoError) in
            try requireSuccess("setting key and nonce") {
                EVP_CipherInit_ex(
                    context, nil, nil, key.assumingMemoryBound(to: UInt8.self).baseAddress, nonce, direction)
            }
        }
    }

    func authenticate(_ associatedData: [UInt8]) throws(CryptoError) {
        guard !associatedData.isEmpty else { return }
        let count = try length(associatedData.count, of: "associated data")
        var written: Int32 = 0
        try requireSuccess("adding associated data") {
            EVP_CipherUpdate(context, nil, &written, associatedData, count)
        }
    }

    func update(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) {
        guard !input.isEmpty else { return }
        let count = try length(input.count, of: "text")
        var written: Int32 = 0
        try requireSuccess("AES-256-GCM") {
            EVP_CipherUpdate(
                context, output.assumingMemoryBound(to: UInt8.self).baseAddress, &written,
                input.assumingMemoryBound(to: UInt8.self).baseAddress, count)
        }
    }

    func finish(tagInto tag: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        var unused: UInt8 = 0
        var written: Int32 = 0
        try requireSuccess("finishing AES-256-GCM") { EVP_CipherFinal_ex(context, &unused, &written) }
        try requireSuccess("reading the tag") { sb_gcm_get_tag(context, Int32(tag.count), tag.baseAddress) }
    }

    func finish(expecting tag: UnsafeRawBufferPointer) throws(CryptoError) {
        var unused: UInt8 = 0
        var written: Int32 = 0
        try requireSuccess("setting the expected tag") {
            sb_gcm_set_tag(context, Int32(tag.count), tag.baseAddress)
        }
        ERR_clear_error()
        guard EVP_CipherFinal_ex(context, &unused, &written) == 1 else { throw .authenticationFailed }
    }

    /// Returns a length as the C int that libcrypto takes.
    private func length(_ count: Int, of name: String) throws(CryptoError) -> Int32 {
        guard let length = Int32(exactly: count) else {
            throw .wrongLength(of: name, expected: Int(Int32.max), actual: count)
        }
        return length
    }

    deinit { EVP_CIPHER_CTX_free(context) }
}
