import Cryptography

/// An `application/x-www-form-urlencoded` body, written in secret memory.
struct FormBody: ~Copyable {
    private var buffer = SecretBuffer(capacity: 2048)

    mutating func append(_ key: StaticString, _ value: String) {
        begin(key)
        Array(value.utf8).withUnsafeBytes { encode($0) }
    }

    mutating func append(_ key: StaticString, _ value: SharedSecret) {
        begin(key)
        value.bytes.withUnsafeBytes { encode($0) }
    }

    consuming func finish() -> SharedSecret { SharedSecret(buffer.finish()) }

    private mutating func begin(_ key: StaticString) {
        if buffer.count > 0 { buffer.append("&") }
        buffer.append(key)
        buffer.append("=")
    }

    /// All but the unreserved characters of RFC 3986.
    private mutating func encode(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."),
                UInt8(ascii: "~"):
                buffer.append(byte)
            default:
                buffer.append("%")
                buffer.append(Self.digits[Int(byte >> 4)])
                buffer.append(Self.digits[Int(byte & 15)])
            }
        }
    }

    private static let digits = Array("0123456789ABCDEF".utf8)
}
