import COpenSSL

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

/// SHA-1, for names that others chose to make with it; it protects nothing.
package func sha1(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 20)
    try bytes.withBytes { bytes throws(CryptoError) in
        try requireSuccess("SHA-1") {
            EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha1(), nil)
        }
    }
    return digest
}

/// HMAC-SHA-256 (RFC 2104). The result is a secret when it serves as a key, hence the type.
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
