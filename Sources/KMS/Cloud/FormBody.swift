import Cryptography
import HTTP

/// An `application/x-www-form-urlencoded` body in secret memory.
struct FormBody: ~Copyable {
    private var buffer = SecretBuffer(capacity: 2048)

    mutating func append(_ key: StaticString, _ value: String) {
        begin(key)
        Array(value.utf8).withUnsafeBytes { buffer.appendPercentEncoded($0) }
    }

    mutating func append(_ key: StaticString, _ value: SharedSecret) {
        begin(key)
        value.bytes.withUnsafeBytes { buffer.appendPercentEncoded($0) }
    }

    consuming func finish() -> SharedSecret { SharedSecret(buffer.finish()) }

    private mutating func begin(_ key: StaticString) {
        if buffer.count > 0 { buffer.append("&") }
        buffer.append(key)
        buffer.append("=")
    }
}
