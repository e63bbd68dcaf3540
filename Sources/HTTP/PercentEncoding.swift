package import Cryptography
import System

extension UInt8 {
    /// True for the unreserved characters of RFC 3986, section 2.3: ASCII letters and digits, `-`, `.`, `_` and `~`.
    package var isUnreservedInURL: Bool {
        isASCIILetterOrDigit || "-._~".utf8.contains(self)
    }
}

extension SecretBuffer {
    /// Appends the percent-encoding of all but unreserved characters, without a copy in ordinary memory.
    package mutating func appendPercentEncoded(_ bytes: UnsafeRawBufferPointer) {
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in bytes {
            if byte.isUnreservedInURL {
                append(byte)
            } else {
                append("%")
                append(digits[Int(byte >> 4)])
                append(digits[Int(byte & 15)])
            }
        }
    }
}

/// Returns `text` with all but its unreserved characters percent-encoded.
package func percentEncoded(_ text: String) -> String { percentEncoded(text.utf8) }

package func percentEncoded(_ bytes: some Sequence<UInt8>) -> String {
    let bytes = Array(bytes)
    var encoded = SecretBuffer(capacity: bytes.count * 3)
    bytes.withUnsafeBytes { encoded.appendPercentEncoded($0) }
    return encoded.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}
