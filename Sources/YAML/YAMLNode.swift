/// A value read from YAML or JSON, with its position in the file.
package struct YAMLNode: Sendable {
    package enum Content: Sendable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// The pairs in the order of the file, with unique keys and resolved merge keys (`<<`).
        case mapping([Entry])
    }

    /// One pair of a mapping.
    package struct Entry: Sendable {
        /// The key as kubectl reads it: `yes` is `true`, `0x10` is `16`.
        package let key: String
        package let keyRange: SourceRange
        /// True if kubectl reads another key than the written one, because it lacks quotes.
        package let isKeyCoerced: Bool
        package let value: YAMLNode
        /// True if the pair comes from a merge key. Its ranges are those of its definition.
        package let isMerged: Bool
    }

    package let content: Content
    package let range: SourceRange
    /// True if the node is an alias (`*anchor`). `range` is that of the alias; ranges inside are those of the anchored node.
    package let isAlias: Bool

    package init(_ content: Content, range: SourceRange, isAlias: Bool = false) {
        self.content = content
        self.range = range
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

    /// An address that a mapping shares with its aliases, and with no other mapping while one of them exists. Nil for an empty
    /// mapping and for other nodes.
    package var mappingIdentity: UnsafeRawPointer? {
        guard let entries, !entries.isEmpty else { return nil }
        return entries.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
    }

    /// The value of a key, or nil if this is not a mapping or has no such key.
    package subscript(key: String) -> YAMLNode? { entries?.first { $0.key == key }?.value }

    /// Returns a mapping with additional pairs of strings, which are not in the file; returns any other node unchanged.
    package func appendingPairs(_ fields: [(key: String, text: String)]) -> YAMLNode {
        guard let entries else { return self }
        let added = fields.map { field in
            let text = Array(field.text.utf8).withUnsafeBytes { ScalarText(copying: $0) }
            let scalar = YAMLScalar(text: text, style: .plain, type: .string)
            return Entry(
                key: field.key, keyRange: range, isKeyCoerced: false,
                value: YAMLNode(.scalar(scalar), range: range),
                isMerged: false)
        }
        return YAMLNode(.mapping(entries + added), range: range, isAlias: isAlias)
    }

    /// The text of a string. Copies it to ordinary memory: only for what is known not to be secret.
    package var string: String? { scalar?.string }
    package var bool: Bool? { scalar?.bool }
    package var int: Int? { scalar?.int }
    package var isNull: Bool { scalar?.valueType == .null }

    /// The type as messages name it: "expected a string, found a number".
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

/// The position of a node in its file.
package struct SourceRange: Sendable, Equatable {
    // Files have at most `YAMLReader.maximumBytes`, and a large one has millions of ranges.
    private let storedLine: UInt32
    private let storedColumn: UInt32
    private let storedStart: UInt32
    private let storedEnd: UInt32

    package init(line: Int, column: Int, start: Int, end: Int) {
        storedLine = UInt32(clamping: line)
        storedColumn = UInt32(clamping: column)
        storedStart = UInt32(clamping: start)
        storedEnd = UInt32(clamping: end)
    }

    /// The line of the start, from 1. A line ends at a line feed.
    package var line: Int { Int(storedLine) }
    /// The column of the start, from 1, in Unicode scalars.
    package var column: Int { Int(storedColumn) }
    /// The offset in the file of the first byte of the node, or of its tag or anchor. A byte order mark counts.
    package var start: Int { Int(storedStart) }
    /// The offset in the file after the last byte of the node. A block scalar ends after its last line break; a block mapping
    /// or sequence ends where its last element does, so that comments after it are outside.
    package var end: Int { Int(storedEnd) }

    /// Returns `SOURCE:LINE:COLUMN`, the format of compilers.
    package func location(in source: String) -> String { "\(source):\(line):\(column)" }

    func ending(at end: Int) -> SourceRange {
        SourceRange(line: line, column: column, start: start, end: end)
    }
}
