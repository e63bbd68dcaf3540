package import Cryptography
import FoundationEssentials

/// Builds an RFC 6902 patch. It may carry plaintext, so it is written straight into secret memory.
package struct JSONPatch: Sendable {
    package let body: SharedSecret

    package init(_ build: (inout Builder) throws -> Void) rethrows {
        var builder = Builder()
        try build(&builder)
        body = SharedSecret(builder.finish())
    }

    /// Escapes one part of a path (RFC 6901 section 3): `~` is `~0`, `/` is `~1`.
    package static func pointer(_ parts: String...) -> String {
        var pointer = ""
        for part in parts {
            pointer += "/"
            // By scalars: to String, a slash with a combining mark is another character than a slash.
            for scalar in part.unicodeScalars {
                switch scalar {
                case "~": pointer += "~0"
                case "/": pointer += "~1"
                default: pointer.unicodeScalars.append(scalar)
                }
            }
        }
        return pointer
    }

    package struct Builder: ~Copyable {
        private var writer = JSONSecretWriter()

        init() {
            writer.beginArray()
        }

        /// The whole patch fails when the value at `path` is another one.
        package mutating func test(_ path: String, _ value: String) {
            operation("test", path) { $0.string(value) }
        }

        package mutating func replace(_ path: String, _ value: String) {
            operation("replace", path) { $0.string(value) }
        }

        package mutating func add(_ path: String, _ value: String) {
            operation("add", path) { $0.string(value) }
        }

        package mutating func remove(_ path: String) {
            writer.beginObject()
            writer.key("op")
            writer.string("remove")
            writer.key("path")
            writer.string(path)
            writer.endObject()
        }

        /// `op` is add, replace or test; `value` writes the operation's value.
        package mutating func operation(
            _ op: String, _ path: String, value: (inout JSONSecretWriter) -> Void
        ) {
            writer.beginObject()
            writer.key("op")
            writer.string(op)
            writer.key("path")
            writer.string(path)
            writer.key("value")
            value(&writer)
            writer.endObject()
        }

        consuming func finish() -> SecretBytes {
            writer.endArray()
            return writer.finish()
        }
    }
}
