package import Cryptography

/// A patch, whose media type selects how the server applies it.
package enum Patch: Sendable {
    /// A merge patch (RFC 7386).
    case merge(body: [UInt8])
    /// A JSON patch (RFC 6902).
    case json(JSONPatch)
    /// A server-side apply, which may contain plaintext. `force` takes over fields that another manager owns.
    case apply(body: SharedSecret, fieldManager: String, force: Bool)

    var contentType: String {
        switch self {
        case .merge: "application/merge-patch+json"
        case .json: "application/json-patch+json"
        case .apply: "application/apply-patch+yaml"
        }
    }

    var query: [(String, String)] {
        guard case .apply(_, let manager, let force) = self else { return [] }
        return [("fieldManager", manager), ("force", force ? "true" : "false")]
    }
}

/// Builds a JSON patch (RFC 6902) in secret memory, since it may contain plaintext.
package struct JSONPatch: Sendable {
    package let body: SharedSecret

    package init(_ build: (inout Builder) throws -> Void) rethrows {
        var builder = Builder()
        try build(&builder)
        body = SharedSecret(builder.finish())
    }

    /// Joins the parts of a JSON pointer (RFC 6901, section 3), in which `~` is escaped as `~0` and `/` as `~1`.
    package static func pointer(_ parts: String...) -> String {
        var pointer = ""
        for part in parts {
            pointer += "/"
            // By scalars: as a Character, a slash with a combining mark does not equal a slash.
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

        /// Makes the whole patch fail if the value at `path` is not `value`.
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
            writer.member("op", "remove")
            writer.member("path", path)
            writer.endObject()
        }

        /// - Parameters:
        ///   - op: add, replace or test.
        ///   - value: writes the operation's value.
        package mutating func operation(
            _ op: String, _ path: String, value: (inout JSONSecretWriter) -> Void
        ) {
            writer.beginObject()
            writer.member("op", op)
            writer.member("path", path)
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
