import COpenSSL

/// Public random bytes (nonces, jitter seeds) from libcrypto's CSPRNG.
package func randomBytes(count: Int) throws(CryptoError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try requireSuccess("reading random bytes") { RAND_bytes(&bytes, Int32(count)) }
    return bytes
}

extension SecretBytes {
    /// A fresh random secret, from the generator libcrypto keeps for private values.
    package static func random(count: Int) throws(CryptoError) -> SecretBytes {
        try SecretBytes(count: count) { output throws(CryptoError) in
            try requireSuccess("reading random key bytes") {
                RAND_priv_bytes(output.assumingMemoryBound(to: UInt8.self).baseAddress, Int32(count))
            }
        }
    }
}
