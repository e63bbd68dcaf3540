package import Cryptography

/// What the writers write: ordered, and with a place for secrets, which go from their own memory to the
/// output's and nowhere else.
package indirect enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case int(Int)
    /// A number in JSON's syntax, as written.
    case number(String)
    case string(String)
    case secret(SecretText)
    /// Written as the base64 of the bytes.
    case base64(SharedSecret)
    case array([JSONValue])
    /// Keys are unique.
    case object([(key: String, value: JSONValue)])
}

/// A secret that is UTF-8, so that it can stand in YAML and JSON as it is.
package struct SecretText: Sendable {
    package let bytes: SharedSecret

    /// nil: not UTF-8; write it as base64.
    package init?(_ bytes: SharedSecret) {
        guard bytes.bytes.withUnsafeBytes({ isValidUTF8($0) }) else { return nil }
        self.bytes = bytes
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { (key: $0.0, value: $0.1) })
    }
}

extension JSONValue {
    /// What was read, to be written again; strings stay secrets. Infinity and not-a-number, which JSON lacks,
    /// become strings.
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
