package import Cryptography

/// Writes JSON, indented by two spaces, each document ended by a line feed.
package struct JSONWriter: ~Copyable {
    private var output = SecretBuffer(capacity: 1024)

    package static func write(_ documents: [JSONValue]) -> SecretBytes {
        var writer = JSONWriter()
        for document in documents {
            writer.value(document, indent: 0)
            writer.output.append(lineFeed)
        }
        return writer.output.finish()
    }

    /// The JSON of what was read, in one line, as `YAMLValue(node)` has it, without the memory that one takes.
    package static func write(_ node: YAMLNode) -> SecretBytes {
        var writer = JSONWriter()
        writer.compact(node)
        return writer.output.finish()
    }

    private mutating func compact(_ node: YAMLNode) {
        switch node.content {
        case .scalar(let scalar):
            if scalar.valueType == .string {
                scalar.text.withUnsafeBytes { QuotedString.append($0, to: &output) }
            } else {
                value(JSONValue(scalar), indent: 0)
            }
        case .sequence(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                compact(element)
            }
            output.append(UInt8(ascii: "]"))
        case .mapping(let entries):
            output.append(UInt8(ascii: "{"))
            for (index, entry) in entries.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                string(entry.key)
                output.append(UInt8(ascii: ":"))
                compact(entry.value)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private mutating func value(_ value: JSONValue, indent: Int) {
        switch value {
        case .null: output.append("null")
        case .bool(let bool): output.append(bool ? "true" : "false")
        case .int(let int): output.append(Array("\(int)".utf8))
        case .number(let text): output.append(Array(text.utf8))
        case .string(let text): string(text)
        case .secret(let text): text.bytes.bytes.withUnsafeBytes { QuotedString.append($0, to: &output) }
        case .base64(let secret):
            output.append(UInt8(ascii: "\""))
            secret.bytes.withUnsafeBytes { output.appendBase64($0) }
            output.append(UInt8(ascii: "\""))
        case .array(let elements):
            list("[", elements, "]", indent: indent) { writer, element in
                writer.value(element, indent: indent + 2)
            }
        case .object(let entries):
            list("{", entries, "}", indent: indent) { writer, entry in
                writer.string(entry.key)
                writer.output.append(": ")
                writer.value(entry.value, indent: indent + 2)
            }
        }
    }

    private mutating func list<Element>(
        _ open: StaticString, _ elements: [Element], _ close: StaticString, indent: Int,
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        output.append(open)
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            newLine(indent + 2)
            write(&self, element)
        }
        if !elements.isEmpty { newLine(indent) }
        output.append(close)
    }

    private mutating func newLine(_ indent: Int) {
        output.append(lineFeed)
        for _ in 0..<indent { output.append(space) }
    }

    private mutating func string(_ text: String) {
        Array(text.utf8).withUnsafeBytes { QuotedString.append($0, to: &output) }
    }
}
