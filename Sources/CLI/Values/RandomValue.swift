package import Cryptography

/// New values for passwords and tokens: letters and digits, which no configuration file needs quotes for.
package enum RandomValue {
    package static let allowedLengths = 16...1024

    /// About 5.95 bits a character.
    ///
    /// Errors: the system has no randomness to give.
    package static func make(length: Int) throws(CryptoError) -> SharedSecret {
        var value = SecretBuffer(capacity: length)
        while value.count < length {
            let random = try SecretBytes.random(count: length * 2)
            random.withUnsafeBytes { bytes in
                // What does not fit evenly is thrown away: every character is as likely as another.
                for byte in bytes where Int(byte) < alphabet.count * 4 && value.count < length {
                    value.append(alphabet[Int(byte) % alphabet.count])
                }
            }
        }
        return SharedSecret(value.finish())
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
}
