package import Cryptography

extension SecretBytes {
    /// The secret in the clear, to compare it in a test.
    package borrowing func revealed() -> [UInt8] { withUnsafeBytes { Array($0) } }
}
