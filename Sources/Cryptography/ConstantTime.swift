import COpenSSL

/// Compares in time that depends on the lengths alone, never on where the first difference is.
package func constantTimeEquals(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    guard let a = left.baseAddress, let b = right.baseAddress else { return true }
    return CRYPTO_memcmp(a, b, left.count) == 0
}

package func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { a in right.withUnsafeBytes { constantTimeEquals(a, $0) } }
}
