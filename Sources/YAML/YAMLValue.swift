package import Primitives

/// What the writers write: ordered, and with a place for secrets, which go from their own memory to the
/// output's and nowhere else.
package indirect enum YAMLValue: Sendable {
    case null
    case bool(Bool)
    case int(Int)
    /// A number in JSON's syntax, as written.
    case number(String)
    case string(String)
    case secret(SecretText)
    /// Written as the base64 of the bytes.
    case base64(SharedSecret)
    case sequence([YAMLValue])
    /// Keys are unique.
    case mapping([(key: String, value: YAMLValue)])
}

/// A secret that is UTF-8, so that it can stand in YAML and JSON as it is.
package struct SecretText: Sendable {
    package let bytes: SharedSecret

    /// nil: not UTF-8; write it as base64.
    package init?(_ bytes: SharedSecret) {
        guard bytes.bytes.withUnsafeBytes({ isUTF8($0) }) else { return nil }
        self.bytes = bytes
    }
}

extension YAMLValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(arrayLiteral elements: YAMLValue...) { self = .sequence(elements) }
    package init(dictionaryLiteral elements: (String, YAMLValue)...) {
        self = .mapping(elements.map { (key: $0.0, value: $0.1) })
    }
}

extension YAMLValue {
    /// What was read, to be written again; strings stay secrets. Infinity and not-a-number, which JSON lacks,
    /// become strings.
    package init(_ node: Node) {
        switch node.content {
        case .mapping(let entries):
            self = .mapping(entries.map { (key: $0.key, value: YAMLValue($0.value)) })
        case .sequence(let elements):
            self = .sequence(elements.map { YAMLValue($0) })
        case .scalar(let scalar):
            self.init(scalar)
        }
    }

    init(_ scalar: Scalar) {
        switch scalar.kind {
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

    private static func string(_ scalar: Scalar) -> YAMLValue {
        let bytes = scalar.bytes
        return SecretText(bytes).map { .secret($0) } ?? .base64(bytes)
    }
}
