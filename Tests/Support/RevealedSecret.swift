package import Cryptography

extension SecretBytes {
    /// The plaintext, for comparison in tests.
    package borrowing func revealed() -> [UInt8] { withUnsafeBytes { Array($0) } }
}
