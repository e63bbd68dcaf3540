import COpenSSL

/// AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag, in the layout
/// nonce ‖ ciphertext ‖ tag. The nonce of `seal` is random, which is safe here because a data key
/// encrypts one set of values once (see docs/envelope.md).
package enum AES256GCM {
    package static let keyCount = 32
    package static let nonceCount = 12
    package static let tagCount = 16
    package static let overhead = nonceCount + tagCount

    /// Returns nonce ‖ ciphertext ‖ tag under a fresh random nonce.
    package static func seal(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, associatedData: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        try seal(
            plaintext, key: key, nonce: randomBytes(count: nonceCount), associatedData: associatedData)
    }

    /// As above with a nonce of the caller's, who guarantees that it is used once under this key.
    package static func seal(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        let context = try CipherContext()
        try context.start(key: key, nonce: nonce, encrypting: true)
        try context.authenticate(associatedData)
        var sealed = nonce
        sealed.reserveCapacity(plaintext.count + overhead)
        sealed.append(contentsOf: repeatElement(0, count: plaintext.count + tagCount))
        try plaintext.withUnsafeBytes { input throws(CryptoError) in
            try sealed.withMutableBytes { output throws(CryptoError) in
                let body = UnsafeMutableRawBufferPointer(rebasing: output[nonceCount...].dropLast(tagCount))
                try context.update(input, into: body)
                try context.finish(tagInto: UnsafeMutableRawBufferPointer(rebasing: output.suffix(tagCount)))
            }
        }
        return sealed
    }

    /// Opens nonce ‖ ciphertext ‖ tag. Throws `authenticationFailed` and returns nothing, not even
    /// partially decrypted bytes, when the tag does not match.
    package static func open(
        _ sealed: UnsafeRawBufferPointer, key: borrowing SecretBytes, associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        guard sealed.count >= overhead else {
            throw .wrongLength(of: "sealed box", expected: overhead, actual: sealed.count)
        }
        let context = try CipherContext()
        try context.start(key: key, nonce: Array(sealed.prefix(nonceCount)), encrypting: false)
        try context.authenticate(associatedData)
        let body = UnsafeRawBufferPointer(rebasing: sealed.dropFirst(nonceCount).dropLast(tagCount))
        let tag = UnsafeRawBufferPointer(rebasing: sealed.suffix(tagCount))
        return try SecretBytes(count: body.count) { output throws(CryptoError) in
            try context.update(body, into: output)
            try context.finish(expecting: tag)
        }
    }

    package static func open(
        _ sealed: [UInt8], key: borrowing SecretBytes, associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        try sealed.withBytes { bytes throws(CryptoError) in
            try open(bytes, key: key, associatedData: associatedData)
        }
    }
}

/// Owns one EVP_CIPHER_CTX, from key and nonce to tag. libcrypto zeroes the key schedule when it is freed.
private struct CipherContext: ~Copyable {
    private let context: OpaquePointer

    init() throws(CryptoError) {
        guard let fresh = EVP_CIPHER_CTX_new() else {
            throw .libcrypto(activity: "allocating a cipher", stack: drainErrorStack())
        }
        context = fresh
    }

    func start(key: borrowing SecretBytes, nonce: [UInt8], encrypting: Bool) throws(CryptoError) {
        guard key.count == AES256GCM.keyCount else {
            throw .wrongLength(of: "key", expected: AES256GCM.keyCount, actual: key.count)
        }
        guard !nonce.isEmpty else {
            throw .wrongLength(of: "nonce", expected: AES256GCM.nonceCount, actual: 0)
        }
        let direction: Int32 = encrypting ? 1 : 0
        try check("initialising AES-256-GCM") {
            EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, nil, nil, direction)
        }
        try check("setting the nonce length") { sb_gcm_set_nonce_length(context, Int32(nonce.count)) }
        try key.withUnsafeBytes { key throws(CryptoError) in
            try check("setting key and nonce") {
                EVP_CipherInit_ex(
                    context, nil, nil, key.assumingMemoryBound(to: UInt8.self).baseAddress, nonce, direction)
            }
        }
    }

    func authenticate(_ associatedData: [UInt8]) throws(CryptoError) {
        guard !associatedData.isEmpty else { return }
        var written: Int32 = 0
        try check("adding associated data") {
            EVP_CipherUpdate(context, nil, &written, associatedData, Int32(associatedData.count))
        }
    }

    func update(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) {
        guard !input.isEmpty else { return }
        var written: Int32 = 0
        try check("AES-256-GCM") {
            EVP_CipherUpdate(
                context, output.assumingMemoryBound(to: UInt8.self).baseAddress, &written,
                input.assumingMemoryBound(to: UInt8.self).baseAddress, Int32(input.count))
        }
    }

    func finish(tagInto tag: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        var nothing: UInt8 = 0
        var written: Int32 = 0
        try check("finishing AES-256-GCM") { EVP_CipherFinal_ex(context, &nothing, &written) }
        try check("reading the tag") { sb_gcm_get_tag(context, Int32(tag.count), tag.baseAddress) }
    }

    func finish(expecting tag: UnsafeRawBufferPointer) throws(CryptoError) {
        var nothing: UInt8 = 0
        var written: Int32 = 0
        try check("setting the expected tag") { sb_gcm_set_tag(context, Int32(tag.count), tag.baseAddress) }
        ERR_clear_error()
        guard EVP_CipherFinal_ex(context, &nothing, &written) == 1 else { throw .authenticationFailed }
    }

    deinit { EVP_CIPHER_CTX_free(context) }
}
