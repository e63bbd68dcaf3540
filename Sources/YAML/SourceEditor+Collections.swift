import Cryptography

// Edits of sequences and mappings, in block or in flow style.
extension SourceEditor {
    /// The value of an added pair.
    package enum NewValue: Sendable {
        case string(String)
        case mapping([(key: String, value: String)])
        /// A mapping of values that may be mappings themselves.
        indirect case nested([(key: String, value: NewValue)])

        /// The pairs of a mapping, or nil for a string.
        var pairs: [(key: String, value: NewValue)]? {
            switch self {
            case .string: nil
            case .mapping(let fields): fields.map { ($0.key, .string($0.value)) }
            case .nested(let fields): fields
            }
        }
    }

    /// Removes elements of a sequence and appends others, which are mappings of strings. At least one element must remain.
    package mutating func change(
        _ sequence: YAMLNode, removing removed: Set<Int>, appending added: [[(key: String, value: String)]]
    ) throws(SourceEditError) {
        guard let elements = sequence.elements, let last = elements.last else {
            throw editError(sequence, "has no elements")
        }
        try checkEditable(sequence)
        for index in removed { try checkEditable(elements[index]) }
        expected.removedElements[sequence.range.start] = removed
        expected.addedElements[sequence.range.start, default: []] += added.map { .mapping($0) }
        if isFlow(sequence) {
            try changeFlow(sequence, elements, removed, added.map { Self.flow(.mapping($0)) })
            return
        }
        var prefixes: [[UInt8]] = []
        for element in elements { prefixes.append(try dash(before: element)) }
        for index in removed {
            removeLines(from: elements[index].range.start, to: elements[index])
        }
        guard !added.isEmpty else { return }
        let prefix = prefixes[prefixes.count - 1]
        let lines = added.flatMap { fields in
            fields.enumerated().map { index, field in
                (index == 0 ? prefix : [UInt8](repeating: space, count: prefix.count))
                    + Self.pair(field.key, field.value)
            }
        }
        append(
            lines, after: appendOffset(after: last), breaking: lineBreak(at: last.range.start), isDeeper: true
        )
    }

    /// Removes pairs of a mapping and appends others. At least one pair must remain.
    package mutating func change(
        pairsOf mapping: YAMLNode, removing removed: Set<String>,
        appending added: [(key: String, value: NewValue)]
    ) throws(SourceEditError) {
        let (entries, last) = try pairs(of: mapping)
        let removedIndices = Set(entries.indices.filter { removed.contains(entries[$0].key) })
        for index in removedIndices {
            guard !entries[index].isMerged else {
                throw editError(mapping, "has \(entries[index].key) through a merge key")
            }
            try checkEditable(entries[index].value)
            expected.removedKeys.insert(entries[index].keyRange.start)
        }
        let kept = Set(entries.map(\.key)).subtracting(removed)
        if let twice = added.first(where: { kept.contains($0.key) }) {
            throw editError(mapping, "has \(twice.key) already")
        }
        expected.addedPairs[mapping.range.start, default: []] += added
        if isFlow(mapping) {
            let pairs = added.map {
                Self.quoted($0.key, as: .doubleQuoted) + Array(": ".utf8) + Self.flow($0.value)
            }
            try changeFlow(mapping, entries.map(pairNode), removedIndices, pairs)
            return
        }
        for index in removedIndices {
            _ = try indentation(of: entries[index])
            removeLines(from: entries[index].keyRange.start, to: entries[index].value)
        }
        guard !added.isEmpty else { return }
        let indent = try indentation(of: last)
        let lines = added.flatMap { Self.lines($0.key, $0.value, indent: indent) }
        append(
            lines, after: appendOffset(after: last.value), breaking: lineBreak(at: last.keyRange.start),
            isDeeper: lines.count > added.count)
    }

    private func pairs(of mapping: YAMLNode) throws(SourceEditError) -> ([YAMLNode.Entry], YAMLNode.Entry) {
        guard let entries = mapping.entries, let last = entries.last, !last.isMerged else {
            throw editError(mapping, "is empty or ends with a merge key")
        }
        try checkEditable(mapping)
        return (entries, last)
    }

    /// Removes the lines from the one at `start` to the last one of a node.
    mutating func removeLines(from start: Int, to node: YAMLNode) {
        edit(lineStart(start), lineEnd(contentEnd(of: node, isReplaced: false)).offset, [])
    }

    /// Returns the offset on the line after which lines are appended.
    private func appendOffset(after last: YAMLNode) -> Int {
        contentEnd(of: last, isReplaced: expected.replaced[last.range.start] != nil)
    }

    /// - Parameter isDeeper: whether the last line may be indented further than the line before `offset`.
    mutating func append(
        _ lines: [[UInt8]], after offset: Int, breaking lineBreak: [UInt8], isDeeper: Bool
    ) {
        let end = lineEnd(offset)
        for line in lines {
            edit(end.offset, end.offset, end.hasBreak ? line + lineBreak : lineBreak + line)
        }
        guard isDeeper else { return }
        for blanks in blankLinesWithTabs(after: end.offset) { edit(blanks.lowerBound, blanks.upperBound, []) }
    }

    func isFlow(_ node: YAMLNode) -> Bool {
        let first = bytes(node.range.start, min(node.range.start + 1, file.count)).first
        return first == UInt8(ascii: "[") || first == UInt8(ascii: "{")
    }

    /// - Throws: `SourceEditError` if there is a comment between the brackets: it may belong to the element before or after it.
    func checkNoComments(in collection: YAMLNode, _ elements: [YAMLNode]) throws(SourceEditError) {
        let starts = elements.map(\.range.start) + [collection.range.end]
        let ends = [collection.range.start + 1] + elements.map(\.range.end)
        guard !zip(ends, starts).contains(where: { bytes($0, $1).contains(UInt8(ascii: "#")) }) else {
            throw editError(
                collection,
                "has a comment between its brackets; move it outside, or write each element on a line of its own"
            )
        }
    }

    /// Removes elements between brackets, each with one of the separators beside it, and appends others. It rejects comments,
    /// because a comment between two elements may belong to either of them.
    private mutating func changeFlow(
        _ collection: YAMLNode, _ elements: [YAMLNode], _ removed: Set<Int>, _ added: [[UInt8]]
    ) throws(SourceEditError) {
        guard let first = elements.first, let last = elements.last else { return }
        try checkNoComments(in: collection, elements)
        var index = 0
        while index < elements.count {
            guard removed.contains(index) else {
                index += 1
                continue
            }
            let next = elements.indices[index...].first { !removed.contains($0) } ?? elements.count
            if index > 0 {
                edit(elements[index - 1].range.end, elements[next - 1].range.end, [])
            } else {
                edit(
                    first.range.start, next < elements.count ? elements[next].range.start : last.range.end, []
                )
            }
            index = next
        }
        let lead = bytes(collection.range.start + 1, first.range.start)
        // Only up to the first element is searched, because a file may be one long line.
        let isInLines = withBytes { bytes in
            let before = UnsafeRawBufferPointer(rebasing: bytes[..<first.range.start])
            return LineBreaks.first(from: collection.range.start, in: before) != nil
        }
        let separator =
            elements.count > 1
            ? bytes(elements[elements.count - 2].range.end, last.range.start)
            : [UInt8(ascii: ",")] + (isInLines ? lead : [space])
        var hasElementBefore = removed.count < elements.count
        for item in added {
            edit(last.range.end, last.range.end, hasElementBefore ? separator + item : item)
            hasElementBefore = true
        }
    }

    /// Returns the indentation and dash before an element of a block sequence.
    private func dash(before element: YAMLNode) throws(SourceEditError) -> [UInt8] {
        let prefix = bytes(lineStart(element.range.start), element.range.start)
        let rest = prefix.drop { $0 == space }
        guard rest.first == UInt8(ascii: "-"), rest.count > 1, rest.dropFirst().allSatisfy({ $0 == space })
        else {
            throw editError(element, "is not on a line of its own after its dash; write it on one")
        }
        return prefix
    }

    func indentation(of entry: YAMLNode.Entry) throws(SourceEditError) -> [UInt8] {
        let prefix = bytes(lineStart(entry.keyRange.start), entry.keyRange.start)
        let isExplicit = prefix.drop { $0 == space }.elementsEqual(Array("? ".utf8))
        guard prefix.allSatisfy({ $0 == space }) || isExplicit else {
            throw SourceEditError(
                line: entry.keyRange.line, column: entry.keyRange.column,
                problem: "is not the first on its line; give every key a line of its own")
        }
        return prefix.prefix { $0 == space }
    }

    func pairNode(_ entry: YAMLNode.Entry) -> YAMLNode {
        YAMLNode(
            entry.value.content,
            range: entry.keyRange.ending(at: max(entry.value.range.end, entry.keyRange.end)))
    }

    /// Returns the lines of a pair in block style.
    static func lines(_ key: String, _ value: NewValue, indent: [UInt8]) -> [[UInt8]] {
        if case .string(let text) = value { return [indent + pair(key, text)] }
        return [indent + quoted(key, as: nil) + [UInt8(ascii: ":")]]
            + (value.pairs ?? []).flatMap { lines($0.key, $0.value, indent: indent + [space, space]) }
    }

    static func pair(_ key: String, _ value: String) -> [UInt8] {
        quoted(key, as: nil) + Array(": ".utf8) + quoted(value, as: nil)
    }

    static func flow(_ value: NewValue) -> [UInt8] {
        if case .string(let text) = value { return quoted(text, as: .doubleQuoted) }
        var text: [UInt8] = [UInt8(ascii: "{")]
        for (index, field) in (value.pairs ?? []).enumerated() {
            if index > 0 { text += Array(", ".utf8) }
            text += quoted(field.key, as: .doubleQuoted) + Array(": ".utf8) + flow(field.value)
        }
        return text + [UInt8(ascii: "}")]
    }
}
