import COpenSSL

/// An error of this module. It never contains key material.
package enum CryptoError: Error, Equatable, Sendable {
    /// A tag or MAC did not verify: wrong key, wrong associated data, or changed bytes.
    case authenticationFailed
    /// An argument has a length that the algorithm does not accept.
    case wrongLength(of: String, expected: Int, actual: Int)
    /// libcrypto itself failed (out of memory, no entropy, rejected in FIPS mode); the error carries its error stack.
    case libcrypto(activity: String, stack: [String])
}

/// Runs a libcrypto function that returns 1 on success.
///
/// - Throws: `CryptoError.libcrypto` with libcrypto's error stack if it returns anything else.
func requireSuccess(_ activity: String, _ call: () -> Int32) throws(CryptoError) {
    ERR_clear_error()
    guard call() != 1 else { return }
    throw .libcrypto(activity: activity, stack: drainErrorStack())
}

/// Takes the errors out of libcrypto's queue, which each thread has, the oldest first.
func drainErrorStack() -> [String] {
    var stack: [String] = []
    var text = [CChar](repeating: 0, count: 256)
    while case let code = ERR_get_error(), code != 0 {
        ERR_error_string_n(code, &text, text.count)
        stack.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    return stack
}

/// SHA-256 (FIPS 180-4) of public bytes.
package func sha256(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    try requireSuccess("SHA-256") {
        EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha256(), nil)
    }
    return digest
}

package func sha256(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
    try bytes.withBytes { bytes throws(CryptoError) in try sha256(bytes) }
}

/// SHA-1, for names that other programs derive with it, such as the AWS CLI. It protects nothing.
package func sha1(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 20)
    try bytes.withBytes { bytes throws(CryptoError) in
        try requireSuccess("SHA-1") {
            EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha1(), nil)
        }
    }
    return digest
}

/// HMAC-SHA-256 (RFC 2104). The result is secret bytes because it may serve as a key.
package func hmacSHA256(_ message: [UInt8], key: borrowing SecretBytes) throws(CryptoError) -> SecretBytes {
    try message.withBytes { message throws(CryptoError) in try hmacSHA256(message, key: key) }
}

/// HMAC-SHA-256 of a message that may be secret.
package func hmacSHA256(
    _ message: UnsafeRawBufferPointer, key: borrowing SecretBytes
) throws(CryptoError) -> SecretBytes {
    try key.withUnsafeBytes { key throws(CryptoError) in
        try SecretBytes(count: 32) { output throws(CryptoError) in
            ERR_clear_error()
            let result = HMAC(
                EVP_sha256(), key.baseAddress, Int32(key.count),
                message.assumingMemoryBound(to: UInt8.self).baseAddress, message.count,
                output.assumingMemoryBound(to: UInt8.self).baseAddress, nil)
            guard result != nil else { throw .libcrypto(activity: "HMAC-SHA-256", stack: drainErrorStack()) }
        }
    }
}

/// Compares in time that depends on the lengths alone, not on the position of the first difference.
package func constantTimeEquals(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    guard let a = left.baseAddress, let b = right.baseAddress else { return true }
    return CRYPTO_memcmp(a, b, left.count) == 0
}

/// Returns public random bytes (nonces, jitter seeds) from libcrypto's CSPRNG.
package func randomBytes(count: Int) throws(CryptoError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try requireSuccess("reading random bytes") { RAND_bytes(&bytes, Int32(count)) }
    return bytes
}

extension SecretBytes {
    /// Returns random bytes from the generator that libcrypto reserves for private values.
    package static func random(count: Int) throws(CryptoError) -> SecretBytes {
        try SecretBytes(count: count) { output throws(CryptoError) in
            try requireSuccess("reading random key bytes") {
                RAND_priv_bytes(output.assumingMemoryBound(to: UInt8.self).baseAddress, Int32(count))
            }
        }
    }
}
