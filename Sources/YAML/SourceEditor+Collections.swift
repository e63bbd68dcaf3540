import Primitives

/// Elements of sequences and pairs of mappings, in block or in flow style.
extension SourceEditor {
    /// The value of a pair that is added.
    package enum NewValue: Sendable {
        case string(String)
        case mapping([(key: String, value: String)])
    }

    /// Removes elements of a sequence and puts others, which are mappings of strings, after the last one. One of
    /// the old elements, at least, or of the new ones is to be left.
    package mutating func change(
        _ sequence: Node, removing removed: Set<Int>, appending added: [[(key: String, value: String)]]
    ) throws(SourceEditError) {
        guard let elements = sequence.elements, let last = elements.last else {
            throw refusal(sequence, "has no elements")
        }
        try checkOwn(sequence)
        for index in removed { try checkOwn(elements[index]) }
        expected.removedElements[sequence.mark.start] = removed
        expected.addedElements[sequence.mark.start, default: []] += added.map { .mapping($0) }
        if isFlow(sequence) {
            try changeFlow(sequence, elements, removed, added.map { Self.flowMapping($0) })
            return
        }
        var prefixes: [[UInt8]] = []
        for element in elements { prefixes.append(try dash(before: element)) }
        for index in removed {
            edit(lineStart(elements[index].mark.start), lineEnd(elements[index].mark.end).offset, [])
        }
        guard !added.isEmpty else { return }
        let prefix = prefixes[prefixes.count - 1]
        let lines = added.flatMap { fields in
            fields.enumerated().map { index, field in
                (index == 0 ? prefix : [UInt8](repeating: space, count: prefix.count))
                    + Self.pair(field.key, field.value)
            }
        }
        append(lines, after: last.mark.end, breaking: lineBreak(at: last.mark.start), isDeeper: true)
    }

    /// Removes pairs of a mapping and puts others after the last one. One of the old pairs, at least, or of the new ones is
    /// to be left.
    package mutating func change(
        pairsOf mapping: Node, removing removed: Set<String>,
        appending added: [(key: String, value: NewValue)]
    ) throws(SourceEditError) {
        let (entries, last) = try pairs(of: mapping)
        let gone = Set(entries.indices.filter { removed.contains(entries[$0].key) })
        for index in gone {
            guard !entries[index].isMerged else {
                throw refusal(mapping, "has \(entries[index].key) through a merge key")
            }
            try checkOwn(entries[index].value)
            expected.removedKeys.insert(entries[index].keyMark.start)
        }
        let kept = Set(entries.map(\.key)).subtracting(removed)
        if let twice = added.first(where: { kept.contains($0.key) }) {
            throw refusal(mapping, "has \(twice.key) already")
        }
        expected.addedPairs[mapping.mark.start, default: []] += added
        if isFlow(mapping) {
            let pairs = added.map {
                Self.quoted($0.key, as: .doubleQuoted) + Array(": ".utf8) + Self.flow($0.value)
            }
            try changeFlow(mapping, entries.map(pairNode), gone, pairs)
            return
        }
        for index in gone {
            _ = try indentation(of: entries[index])
            edit(
                lineStart(entries[index].keyMark.start), lineEnd(entries[index].value.mark.end).offset, [])
        }
        guard !added.isEmpty else { return }
        let indent = try indentation(of: last)
        let lines = added.flatMap { key, value in
            switch value {
            case .string(let text): [indent + Self.pair(key, text)]
            case .mapping(let fields):
                [indent + Self.quoted(key, as: nil) + [UInt8(ascii: ":")]]
                    + fields.map { indent + [space, space] + Self.pair($0.key, $0.value) }
            }
        }
        append(
            lines, after: last.value.mark.end, breaking: lineBreak(at: last.keyMark.start),
            isDeeper: lines.count > added.count)
    }

    private func pairs(of mapping: Node) throws(SourceEditError) -> ([Node.Entry], Node.Entry) {
        guard let entries = mapping.entries, let last = entries.last, !last.isMerged else {
            throw refusal(mapping, "is empty or ends with a merge key")
        }
        try checkOwn(mapping)
        return (entries, last)
    }

    /// `isDeeper`: the last line may be indented further than the one before `offset` is.
    private mutating func append(
        _ lines: [[UInt8]], after offset: Int, breaking lineBreak: [UInt8], isDeeper: Bool
    ) {
        let end = lineEnd(offset)
        for line in lines {
            edit(end.offset, end.offset, end.hasBreak ? line + lineBreak : lineBreak + line)
        }
        guard isDeeper else { return }
        for blanks in tabbedBlanks(after: end.offset) { edit(blanks.lowerBound, blanks.upperBound, []) }
    }

    private func isFlow(_ node: Node) -> Bool {
        let first = text(node.mark.start, min(node.mark.start + 1, file.count)).first
        return first == UInt8(ascii: "[") || first == UInt8(ascii: "{")
    }

    /// Takes elements between brackets out, each with one of the separators beside it, and puts others behind the last one.
    /// A comment between two elements may belong to either of them.
    private mutating func changeFlow(
        _ collection: Node, _ elements: [Node], _ removed: Set<Int>, _ added: [[UInt8]]
    ) throws(SourceEditError) {
        guard let first = elements.first, let last = elements.last else { return }
        let starts = elements.map(\.mark.start) + [collection.mark.end]
        let ends = [collection.mark.start + 1] + elements.map(\.mark.end)
        guard !zip(ends, starts).contains(where: { text($0, $1).contains(UInt8(ascii: "#")) }) else {
            throw refusal(
                collection,
                "has a comment between its brackets; move that out, or write a line for each element")
        }
        var index = 0
        while index < elements.count {
            guard removed.contains(index) else {
                index += 1
                continue
            }
            let next = elements.indices[index...].first { !removed.contains($0) } ?? elements.count
            if index > 0 {
                edit(elements[index - 1].mark.end, elements[next - 1].mark.end, [])
            } else {
                edit(first.mark.start, next < elements.count ? elements[next].mark.start : last.mark.end, [])
            }
            index = next
        }
        let lead = text(collection.mark.start + 1, first.mark.start)
        // Not beyond the first element: a file may be one line.
        let isInLines = withBytes { bytes in
            let before = UnsafeRawBufferPointer(rebasing: bytes[..<first.mark.start])
            return LineBreaks.first(from: collection.mark.start, in: before) != nil
        }
        let separator =
            elements.count > 1
            ? text(elements[elements.count - 2].mark.end, last.mark.start)
            : [UInt8(ascii: ",")] + (isInLines ? lead : [space])
        var isAnyBefore = removed.count < elements.count
        for item in added {
            edit(last.mark.end, last.mark.end, isAnyBefore ? separator + item : item)
            isAnyBefore = true
        }
    }

    /// What stands before a block sequence's element on its line: indentation and dash.
    private func dash(before element: Node) throws(SourceEditError) -> [UInt8] {
        let prefix = text(lineStart(element.mark.start), element.mark.start)
        let rest = prefix.drop { $0 == space }
        guard rest.first == UInt8(ascii: "-"), rest.count > 1, rest.dropFirst().allSatisfy({ $0 == space })
        else {
            throw refusal(element, "does not stand after its dash on a line of its own; write it so")
        }
        return prefix
    }

    private func indentation(of entry: Node.Entry) throws(SourceEditError) -> [UInt8] {
        let prefix = text(lineStart(entry.keyMark.start), entry.keyMark.start)
        let isExplicit = prefix.drop { $0 == space }.elementsEqual(Array("? ".utf8))
        guard prefix.allSatisfy({ $0 == space }) || isExplicit else {
            throw SourceEditError(
                line: entry.keyMark.line, column: entry.keyMark.column,
                problem: "is not the first on its line; give every key a line of its own")
        }
        return prefix.prefix { $0 == space }
    }

    private func pairNode(_ entry: Node.Entry) -> Node {
        Node(
            entry.value.content,
            mark: entry.keyMark.ending(at: max(entry.value.mark.end, entry.keyMark.end)))
    }

    private static func pair(_ key: String, _ value: String) -> [UInt8] {
        quoted(key, as: nil) + Array(": ".utf8) + quoted(value, as: nil)
    }

    private static func flow(_ value: NewValue) -> [UInt8] {
        switch value {
        case .string(let text): quoted(text, as: .doubleQuoted)
        case .mapping(let fields): flowMapping(fields)
        }
    }

    private static func flowMapping(_ fields: [(key: String, value: String)]) -> [UInt8] {
        var text: [UInt8] = [UInt8(ascii: "{")]
        for (index, field) in fields.enumerated() {
            if index > 0 { text += Array(", ".utf8) }
            text += quoted(field.key, as: .doubleQuoted) + Array(": ".utf8)
            text += quoted(field.value, as: .doubleQuoted)
        }
        return text + [UInt8(ascii: "}")]
    }
}
