package import Cryptography

/// Writes JSON that may contain secrets, indented by two spaces, with a line feed after each document.
package struct JSONWriter: ~Copyable {
    private var output = SecretBuffer(capacity: 1024)

    package static func write(_ documents: [JSONValue]) -> SecretBytes {
        var writer = JSONWriter()
        for document in documents {
            writer.value(document, indent: 0)
            writer.output.append("\n")
        }
        return writer.output.finish()
    }

    private mutating func value(_ value: JSONValue, indent: Int) {
        switch value {
        case .array(let elements):
            list("[", elements, "]", indent: indent) { writer, element in
                writer.value(element, indent: indent + 2)
            }
        case .object(let members):
            list("{", members, "}", indent: indent) { writer, member in
                writer.string(member.key)
                writer.output.append(": ")
                writer.value(member.value, indent: indent + 2)
            }
        default: Self.appendScalar(value, to: &output)
        }
    }

    private mutating func list<Element>(
        _ open: StaticString, _ elements: [Element], _ close: StaticString, indent: Int,
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        output.append(open)
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(",") }
            newLine(indent + 2)
            write(&self, element)
        }
        if !elements.isEmpty { newLine(indent) }
        output.append(close)
    }

    private mutating func newLine(_ indent: Int) {
        output.append("\n")
        for _ in 0..<indent { output.append(" ") }
    }

    private mutating func string(_ text: String) { Self.appendScalar(.string(text), to: &output) }

    /// Appends a value that is neither an object nor an array.
    package static func appendScalar(_ value: JSONValue, to output: inout SecretBuffer) {
        switch value {
        case .null: output.append("null")
        case .bool(let bool): output.append(bool ? "true" : "false")
        case .int(let int): output.append(Array("\(int)".utf8))
        case .number(let text): output.append(Array(text.utf8))
        case .string(let text):
            Array(text.utf8).withUnsafeBytes { JSONString.appendQuoted($0, to: &output) }
        case .secret(let text):
            text.bytes.bytes.withUnsafeBytes { JSONString.appendQuoted($0, to: &output) }
        case .base64(let secret):
            output.append("\"")
            secret.bytes.withUnsafeBytes { output.appendBase64($0) }
            output.append("\"")
        case .array, .object: preconditionFailure("not a scalar")
        }
    }
}
