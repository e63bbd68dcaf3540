/// A value read from YAML or JSON, and where it stood.
package struct YAMLNode: Sendable {
    package enum Content: Sendable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// In the order of the file, keys unique, merge keys (`<<`) resolved.
        case mapping([Entry])
    }

    /// One pair of a mapping.
    package struct Entry: Sendable {
        /// As kubectl reads it: `yes` is `true`, `0x10` is `16`.
        package let key: String
        package let keyRange: SourceRange
        /// Whether kubectl reads the key as something else than what is written, so that quotes are missing.
        package let isKeyCoerced: Bool
        package let value: YAMLNode
        /// Came in through a merge key; its marks point to where it was defined.
        package let isMerged: Bool
    }

    package let content: Content
    package let range: SourceRange
    /// Written as `*anchor`; `mark` is that of the alias, the marks inside are those of the anchored node.
    package let isAlias: Bool

    package init(_ content: Content, mark: SourceRange, isAlias: Bool = false) {
        self.content = content
        self.range = mark
        self.isAlias = isAlias
    }
}

extension YAMLNode {
    package var scalar: YAMLScalar? {
        if case .scalar(let scalar) = content { scalar } else { nil }
    }

    package var elements: [YAMLNode]? {
        if case .sequence(let elements) = content { elements } else { nil }
    }

    package var entries: [Entry]? {
        if case .mapping(let entries) = content { entries } else { nil }
    }

    /// The value of `key`; nil where this is no mapping or has no such key.
    package subscript(key: String) -> YAMLNode? { entries?.first { $0.key == key }?.value }

    /// A mapping with more entries, of strings that do not stand in the file; anything else is as it was.
    package func appendingPairs(_ fields: [(key: String, text: String)]) -> YAMLNode {
        guard let entries else { return self }
        let added = fields.map { field in
            let text = Array(field.text.utf8).withUnsafeBytes { ScalarText(copying: $0) }
            let scalar = YAMLScalar(text: text, style: .plain, kind: .string)
            return Entry(
                key: field.key, keyRange: range, isKeyCoerced: false,
                value: YAMLNode(.scalar(scalar), mark: range),
                isMerged: false)
        }
        return YAMLNode(.mapping(entries + added), mark: range, isAlias: isAlias)
    }

    /// The text of a string. Copies it to ordinary memory: only for what is known not to be secret.
    package var string: String? { scalar?.string }
    package var bool: Bool? { scalar?.bool }
    package var int: Int? { scalar?.int }
    package var isNull: Bool { scalar?.valueType == .null }

    /// For messages: «expected a string, found a number».
    package var typeName: String {
        switch content {
        case .mapping: return "a mapping"
        case .sequence: return "a list"
        case .scalar(let scalar):
            switch scalar.valueType {
            case .null: return "nothing"
            case .bool: return "a boolean"
            case .int, .float: return "a number"
            case .string: return "a string"
            }
        }
    }
}
