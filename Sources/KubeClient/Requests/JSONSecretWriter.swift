package import Cryptography
import JSON

/// Writes JSON (RFC 8259) into secret memory, for bodies that contain a Secret's data. Calls must be nested as in JSON; the
/// writer adds the commas.
package struct JSONSecretWriter: ~Copyable {
    private var buffer = SecretBuffer(capacity: 1024)
    private var needsComma = false

    package init() {}

    package mutating func beginObject() { open("{") }
    package mutating func endObject() { close("}") }
    package mutating func beginArray() { open("[") }
    package mutating func endArray() { close("]") }

    package mutating func key(_ name: String) {
        string(name)
        buffer.append(":")
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        var text = text
        text.withUTF8 { JSONString.appendQuoted(UnsafeRawBufferPointer($0), to: &buffer) }
    }

    package mutating func bool(_ value: Bool) {
        separate()
        if value { buffer.append("true") } else { buffer.append("false") }
    }

    package mutating func number(_ value: Int64) {
        separate()
        buffer.append(Array(String(value).utf8))
    }

    /// Writes a string with the base64 of a secret.
    package mutating func base64(_ secret: borrowing SecretBytes) {
        separate()
        buffer.append(UInt8(ascii: "\""))
        secret.withUnsafeBytes { buffer.appendBase64($0) }
        buffer.append(UInt8(ascii: "\""))
    }

    /// Writes a member of an object.
    package mutating func member(_ name: String, _ value: String) {
        key(name)
        string(value)
    }

    /// Writes a member of an object, or nothing for nil.
    package mutating func optionalMember(_ name: String, _ value: String?) {
        if let value { member(name, value) }
    }

    /// Writes a member of an object, or nothing for nil.
    package mutating func optionalMember(_ name: String, _ value: Int64?) {
        guard let value else { return }
        key(name)
        number(value)
    }

    /// Writes an object of strings.
    package mutating func object(_ members: some Sequence<(key: String, value: String)>) {
        beginObject()
        for (name, value) in members { member(name, value) }
        endObject()
    }

    /// Begins the manifest of an object, and leaves its metadata open.
    package mutating func beginManifest(_ resource: Resource, _ ref: ObjectRef) {
        beginObject()
        member("apiVersion", resource.apiVersion)
        member("kind", resource.kind)
        key("metadata")
        beginObject()
        member("name", ref.name)
        member("namespace", ref.namespace)
    }

    /// Writes a value that is JSON already.
    package mutating func encoded(_ json: [UInt8]) {
        separate()
        buffer.append(json)
    }

    package consuming func finish() -> SecretBytes {
        buffer.finish()
    }

    private mutating func open(_ bracket: StaticString) {
        separate()
        buffer.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: StaticString) {
        buffer.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { buffer.append(",") }
        needsComma = true
    }
}
