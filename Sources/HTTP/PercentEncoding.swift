package import Cryptography

extension UInt8 {
    /// True for the unreserved characters of RFC 3986, section 2.3: ASCII letters and digits, `-`, `.`, `_` and `~`.
    package var isUnreservedInURL: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
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
package func percentEncoded(_ text: String) -> String {
    var encoded = SecretBuffer(capacity: text.utf8.count * 3)
    Array(text.utf8).withUnsafeBytes { encoded.appendPercentEncoded($0) }
    return encoded.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}
