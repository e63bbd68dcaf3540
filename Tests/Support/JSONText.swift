import Cryptography
import JSON

extension String {
    /// The text as a JSON string in which invisible characters are escapes too.
    package var jsonQuoted: String {
        var output = SecretBuffer(capacity: utf8.count + 2)
        JSONString.appendVisiblyQuoted(self, to: &output)
        return output.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}
