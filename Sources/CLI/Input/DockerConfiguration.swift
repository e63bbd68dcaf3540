package import Cryptography
import JSON

/// The credential of an image registry, as `kubectl create secret docker-registry` takes it.
package struct RegistryCredential: Sendable {
    /// The registry that kubectl assumes.
    package static let defaultServer = "https://index.docker.io/v1/"

    private let server: String
    private let username: String
    private let email: String
    private let password: SharedSecret

    /// - Throws: `InputError` if user name or password are empty, or the password is not UTF-8.
    package init(
        server: String, username: String, email: String?, password: SharedSecret
    ) throws(InputError) {
        guard !server.isEmpty else {
            throw InputError("--docker-server is empty; give the registry's address")
        }
        guard !username.isEmpty else { throw InputError("--docker-username is empty; give the user's name") }
        guard password.count > 0 else { throw InputError("the registry's password is empty; give one") }
        guard SecretText(password) != nil else {
            throw InputError("the registry's password is not UTF-8; a configuration of Docker holds text")
        }
        self.server = server
        self.username = username
        self.email = email ?? ""
        self.password = password
    }

    /// Lines on what a registry may not accept.
    package var notes: [String] {
        guard username.utf8.contains(UInt8(ascii: ":")) else { return [] }
        return [
            "--docker-username contains a colon: readers of the field auth take the text after it for the password"
        ]
    }

    /// The value of `.dockerconfigjson`, with the same bytes as kubectl's.
    package var configuration: SharedSecret {
        var output = SecretBuffer(capacity: 512)
        output.append(#"{"auths":{"#)
        GoJSON.appendString(server, to: &output)
        output.append(#":{"username":"#)
        GoJSON.appendString(username, to: &output)
        output.append(#","password":"#)
        password.bytes.withUnsafeBytes { GoJSON.appendString($0, to: &output) }
        if !email.isEmpty {
            output.append(#","email":"#)
            GoJSON.appendString(email, to: &output)
        }
        output.append(#","auth":""#)
        var pair = SecretBuffer(capacity: username.utf8.count + password.count + 1)
        pair.append(Array(username.utf8))
        pair.append(UInt8(ascii: ":"))
        pair.append(password.bytes)
        pair.withUnsafeBytes { output.appendBase64($0) }
        output.append(#""}}}"#)
        return SharedSecret(output.finish())
    }
}

/// Strings as Go's `encoding/json` writes them: with escapes for `<`, `>`, `&`, U+2028 and U+2029.
enum GoJSON {
    static func appendString(_ text: String, to output: inout SecretBuffer) {
        Array(text.utf8).withUnsafeBytes { appendString($0, to: &output) }
    }

    /// - Parameter text: Valid UTF-8.
    static func appendString(_ text: UnsafeRawBufferPointer, to output: inout SecretBuffer) {
        output.append(UInt8(ascii: "\""))
        var index = 0
        while index < text.count {
            let byte = text[index]
            // U+2028 and U+2029 are E2 80 A8 and E2 80 A9.
            if byte == 0xE2, index + 2 < text.count, text[index + 1] == 0x80, text[index + 2] & 0xFE == 0xA8 {
                output.append(text[index + 2] == 0xA8 ? #"\u2028"# : #"\u2029"#)
                index += 3
                continue
            }
            append(byte, to: &output)
            index += 1
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func append(_ byte: UInt8, to output: inout SecretBuffer) {
        switch byte {
        case UInt8(ascii: "\""): output.append(#"\""#)
        case UInt8(ascii: "\\"): output.append(#"\\"#)
        case 0x08: output.append(#"\b"#)
        case 0x09: output.append(#"\t"#)
        case 0x0A: output.append(#"\n"#)
        case 0x0C: output.append(#"\f"#)
        case 0x0D: output.append(#"\r"#)
        case 0..<0x20, UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"):
            output.append(#"\u00"#)
            output.append(digits[Int(byte >> 4)])
            output.append(digits[Int(byte & 15)])
        default: output.append(byte)
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
