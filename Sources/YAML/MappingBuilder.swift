/// Collects the pairs of one mapping and rejects duplicate keys, of which parsers use different ones.
struct MappingBuilder {
    private(set) var entries: [YAMLNode.Entry] = []
    /// A hash table with open addressing: indices of `entries` plus one, by the hash of their key; 0 is a free slot. A
    /// dictionary would take more memory than the entries. It is empty while there are few of them.
    private var table: [UInt32] = []

    /// Up to this number of entries is searched linearly.
    private static let maximumLinear = 8

    /// Returns the line of a pair with this key that did not come from a merge key.
    func earlierLine(of key: String) -> Int? {
        guard let index = index(of: key), !entries[index].isMerged else { return nil }
        return entries[index].keyRange.line
    }

    func contains(_ key: String) -> Bool { index(of: key) != nil }

    /// Appends a pair, or replaces a pair of the same key that came from a merge key.
    mutating func append(_ entry: YAMLNode.Entry, in text: SourceText) throws(YAMLError) {
        guard let index = index(of: entry.key) else {
            entries.append(entry)
            updateTable()
            return
        }
        guard entries[index].isMerged else {
            throw text.error(
                .duplicateKey, at: entry.keyRange,
                "duplicate key, first in line \(entries[index].keyRange.line); remove one")
        }
        entries[index] = entry
    }

    private func index(of key: String) -> Int? {
        guard !table.isEmpty else { return entries.firstIndex { $0.key == key } }
        var slot = slot(of: key)
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if entries[index].key == key { return index }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    /// Adds the last entry to the table, or all entries to a larger table.
    private mutating func updateTable() {
        guard entries.count > Self.maximumLinear else { return }
        guard entries.count * 2 > table.count else { return insert(entries.count - 1) }
        table = [UInt32](repeating: 0, count: max(table.count * 2, Self.maximumLinear * 4))
        for index in entries.indices { insert(index) }
    }

    private mutating func insert(_ index: Int) {
        var slot = slot(of: entries[index].key)
        while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = UInt32(truncatingIfNeeded: index + 1)
    }

    /// The number of slots is a power of two.
    private func slot(of key: String) -> Int { key.hashValue & (table.count - 1) }
}

/// The key that kubectl reads: JSON has string keys only, so that a plain `1` becomes `"1"`.
enum MappingKey {
    static func name(
        of key: YAMLNode, in text: SourceText
    ) throws(YAMLError) -> (key: String, isRewritten: Bool) {
        guard let scalar = key.scalar, scalar.valueType != .null else {
            throw text.error(
                .badKey, at: key.range,
                "\(key.typeName) cannot be a key; write a string, in quotes if need be")
        }
        let written = scalar.text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        switch scalar.valueType {
        case .bool:
            let name = scalar.bool == true ? "true" : "false"
            return (name, name != written)
        case .int:
            let name = scalar.text.withUnsafeBytes { PlainScalar.integer($0) }.map { "\($0)" }
            return (name ?? written, name != written)
        case .float:
            // 1.20 becomes "1.2" and 1e3 becomes "1000", in the format of Go, which is not reproduced here.
            return (written, true)
        case .string, .null:
            return (written, false)
        }
    }
}

/// `<<: *defaults`, the merge key of YAML 1.1 (yaml.org/type/merge.html), which kubectl supports.
enum MergeKey {
    static func matches(_ key: YAMLNode) -> Bool {
        guard let scalar = key.scalar, !key.isAlias else { return false }
        let isMergeTag = scalar.tag == "tag:yaml.org,2002:merge"
        return (scalar.style == .plain && scalar.tag == nil || isMergeTag) && scalar.string == "<<"
    }

    /// Adds the pairs of the sources that the mapping does not have; an earlier source takes precedence. A pair that precedes
    /// the merge key and is in a source too is rejected: it takes precedence in the specification, but not in kubectl.
    static func merge(
        _ value: YAMLNode, at range: SourceRange, into mapping: inout MappingBuilder, in text: SourceText
    ) throws(YAMLError) {
        for source in value.elements ?? [value] {
            guard let entries = source.entries else {
                throw text.error(
                    .badMerge, at: range, "<< needs a mapping or a list of mappings, found \(source.typeName)"
                )
            }
            for entry in entries {
                if let line = mapping.earlierLine(of: entry.key) {
                    throw text.error(
                        .badMerge, at: range,
                        "<< follows the key of line \(line), which it contains too; "
                            + "parsers disagree which takes precedence: put << first")
                }
                guard !mapping.contains(entry.key) else { continue }
                try mapping.append(
                    YAMLNode.Entry(
                        key: entry.key, keyRange: entry.keyRange, isKeyCoerced: entry.isKeyCoerced,
                        value: entry.value, isMerged: true),
                    in: text)
            }
        }
    }
}
