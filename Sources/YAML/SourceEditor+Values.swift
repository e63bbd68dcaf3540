import Cryptography

// Pairs that get a value, and mappings that lose their last pair. They keep their place, and the comments in and beside them.
extension SourceEditor {
    /// Appends a pair, or gives the one that has this key and a scalar or an empty mapping (`null`, `""`, `{}`) another value.
    package mutating func set(
        _ key: String, of mapping: YAMLNode, to value: NewValue
    ) throws(SourceEditError) {
        guard let entry = mapping.entries?.first(where: { $0.key == key }) else {
            return try change(pairsOf: mapping, removing: [], appending: [(key, value)])
        }
        guard entry.value.entries?.isEmpty == true || entry.value.scalar != nil else {
            throw editError(entry.value, "is not empty")
        }
        guard !entry.isMerged else { throw editError(mapping, "has \(key) through a merge key") }
        try checkEditable(mapping)
        try checkEditable(entry.value)
        expected.filledKeys[entry.keyRange.start] = value
        let range = entry.value.range
        let (isWritten, colon) = (range.end > range.start, colon(after: entry))
        if let pairs = value.pairs, !isFlow(mapping), let colon,
            !isWritten || LineBreaks.isAbsent(in: bytes(colon, range.start))
        {
            if isWritten { edit(colon, contentEnd(of: entry.value), headerComment(of: entry.value)) }
            let indent = try indentation(of: entry) + [space, space]
            append(
                pairs.flatMap { Self.lines($0.key, $0.value, indent: indent) },
                after: isWritten ? range.end : colon,
                breaking: lineBreak(at: entry.keyRange.start), isDeeper: true)
        } else if isWritten {
            let text: [UInt8] =
                if case .string(let string) = value, !isFlow(mapping) {
                    Self.quoted(string, as: entry.value.scalar?.style)
                } else {
                    Self.flow(value)
                }
            edit(range.start, contentEnd(of: entry.value), text + headerComment(of: entry.value))
        } else {
            guard let colon else { throw editError(mapping, "has \(key) without a value; write one") }
            let text: [UInt8] =
                if case .string(let string) = value, !isFlow(mapping) {
                    Self.quoted(string, as: nil)
                } else {
                    Self.flow(value)
                }
            edit(colon, colon, [space] + text)
        }
    }

    /// Removes all pairs of the mapping that is the value of a pair, which becomes `{}`. Comments on lines of their own stay.
    package mutating func removePairs(of entry: YAMLNode.Entry) throws(SourceEditError) {
        let (mapping, pairs) = (entry.value, entry.value.entries ?? [])
        guard !pairs.isEmpty, !entry.isMerged else { throw editError(mapping, "is not a mapping of its own") }
        try checkEditable(mapping)
        for pair in pairs {
            guard !pair.isMerged else { throw editError(mapping, "has \(pair.key) through a merge key") }
            try checkEditable(pair.value)
            expected.removedKeys.insert(pair.keyRange.start)
        }
        if isFlow(mapping) {
            try checkNoComments(in: mapping, pairs.map(pairNode))
            edit(mapping.range.start, mapping.range.end, Array("{}".utf8))
            return
        }
        guard let colon = colon(after: entry) else {
            throw editError(mapping, "is not after a colon on the line of its key; write it so")
        }
        for pair in pairs {
            _ = try indentation(of: pair)
            removeLines(from: pair.keyRange.start, to: pair.value)
        }
        edit(colon, colon, Array(" {}".utf8))
    }

    /// Returns the offset after the colon of a pair, if it is on the line of its key.
    private func colon(after entry: YAMLNode.Entry) -> Int? {
        withBytes { bytes in
            let end = entry.keyRange.end
            let sign = bytes[end...].firstIndex { $0 != space && $0 != tab }
            return sign.flatMap { bytes[$0] == UInt8(ascii: ":") ? $0 + 1 : nil }
        }
    }
}

extension LineBreaks {
    fileprivate static func isAbsent(in bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { first(from: 0, in: $0) == nil }
    }
}
