package import Cryptography
package import JSON

extension JSONValue {
    /// Converts a node that was read, to be written again. Strings stay in secret memory. Infinity and not-a-number, which
    /// JSON does not have, become strings.
    package init(_ node: YAMLNode) {
        switch node.content {
        case .mapping(let entries):
            self = .object(entries.map { (key: $0.key, value: JSONValue($0.value)) })
        case .sequence(let elements):
            self = .array(elements.map { JSONValue($0) })
        case .scalar(let scalar):
            self.init(scalar)
        }
    }

    init(_ scalar: YAMLScalar) {
        switch scalar.valueType {
        case .null: self = .null
        case .bool: self = scalar.bool.map { .bool($0) } ?? Self.string(scalar)
        case .string: self = Self.string(scalar)
        case .int:
            let number = scalar.text.withUnsafeBytes { PlainScalar.integer($0) }
            self = number.map { .number("\($0)") } ?? Self.string(scalar)
        case .float:
            let number = scalar.text.withUnsafeBytes { PlainScalar.float($0) }
            self = number.map { .number("\($0)") } ?? Self.string(scalar)
        }
    }

    private static func string(_ scalar: YAMLScalar) -> JSONValue {
        let bytes = scalar.bytes
        return SecretText(bytes).map { .secret($0) } ?? .base64(bytes)
    }
}

extension JSONWriter {
    /// Writes the JSON of a node on one line. Unlike `write([JSONValue(node)])` it needs no memory for a second tree.
    package static func write(_ node: YAMLNode) -> SecretBytes {
        var output = SecretBuffer(capacity: 1024)
        append(node, to: &output)
        return output.finish()
    }

    private static func append(_ node: YAMLNode, to output: inout SecretBuffer) {
        switch node.content {
        case .scalar(let scalar) where scalar.valueType == .string:
            scalar.text.withUnsafeBytes { JSONString.appendQuoted($0, to: &output) }
        case .scalar(let scalar):
            appendScalar(JSONValue(scalar), to: &output)
        case .sequence(let elements):
            output.append("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(",") }
                append(element, to: &output)
            }
            output.append("]")
        case .mapping(let entries):
            output.append("{")
            for (index, entry) in entries.enumerated() {
                if index > 0 { output.append(",") }
                appendScalar(.string(entry.key), to: &output)
                output.append(":")
                append(entry.value, to: &output)
            }
            output.append("}")
        }
    }
}
