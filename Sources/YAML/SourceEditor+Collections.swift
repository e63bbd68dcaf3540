import Primitives

/// Elements of sequences and pairs of mappings, in block or in flow style.
extension SourceEditor {
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
        if isFlow(sequence) {
            try changeFlow(sequence, elements, removed, added.map { Self.flowMapping($0) })
            return
        }
        var prefixes: [[UInt8]] = []
        for element in elements { prefixes.append(try dash(before: element)) }
        for index in removed {
            edit(lineStart(elements[index].mark.start), lineEnd(elements[index].mark.end).offset, [])
        }
        let prefix = prefixes[prefixes.count - 1]
        let end = lineEnd(last.mark.end)
        let lineBreak = lineBreak(at: last.mark.start)
        for fields in added {
            var item = prefix
            for (index, field) in fields.enumerated() {
                if index > 0 { item += lineBreak + [UInt8](repeating: space, count: prefix.count) }
                item += Self.pair(field.key, field.value)
            }
            edit(end.offset, end.offset, end.hasBreak ? item + lineBreak : lineBreak + item)
        }
    }

    /// Removes pairs of a mapping and puts others, of strings, after the last one. One of the old pairs, at least, or of
    /// the new ones is to be left.
    package mutating func change(
        pairsOf mapping: Node, removing removed: Set<String>, appending added: [(key: String, value: String)]
    ) throws(SourceEditError) {
        let (entries, last) = try pairs(of: mapping)
        let gone = Set(entries.indices.filter { removed.contains(entries[$0].key) })
        for index in gone {
            guard !entries[index].isMerged else {
                throw refusal(mapping, "has \(entries[index].key) through a merge key")
            }
            try checkOwn(entries[index].value)
        }
        if isFlow(mapping) {
            let pairs = added.map {
                Self.quoted($0.key, as: .doubleQuoted) + Array(": ".utf8)
                    + Self.quoted($0.value, as: .doubleQuoted)
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
        try append(added.map { indent + Self.pair($0.key, $0.value) }, after: last)
    }

    /// Puts a mapping of strings as a new pair of `mapping`, after its last one.
    package mutating func nest(
        _ name: String, _ fields: [(key: String, value: String)], in mapping: Node
    ) throws(SourceEditError) {
        let (entries, last) = try pairs(of: mapping)
        if isFlow(mapping) {
            let pair = Self.quoted(name, as: .doubleQuoted) + Array(": ".utf8) + Self.flowMapping(fields)
            try changeFlow(mapping, entries.map(pairNode), [], [pair])
            return
        }
        let indent = try indentation(of: last)
        let lines = fields.map { indent + [space, space] + Self.pair($0.key, $0.value) }
        try append([indent + Array("\(name):".utf8)] + lines, after: last)
    }

    private func pairs(of mapping: Node) throws(SourceEditError) -> ([Node.Entry], Node.Entry) {
        guard let entries = mapping.entries, let last = entries.last, !last.isMerged else {
            throw refusal(mapping, "is empty or ends with a merge key")
        }
        try checkOwn(mapping)
        return (entries, last)
    }

    private mutating func append(_ lines: [[UInt8]], after entry: Node.Entry) throws(SourceEditError) {
        let end = lineEnd(entry.value.mark.end)
        let lineBreak = lineBreak(at: entry.keyMark.start)
        for line in lines {
            edit(end.offset, end.offset, end.hasBreak ? line + lineBreak : lineBreak + line)
        }
    }

    private func isFlow(_ node: Node) -> Bool {
        let first = text(node.mark.start, min(node.mark.start + 1, file.count)).first
        return first == UInt8(ascii: "[") || first == UInt8(ascii: "{")
    }

    /// Rewrites the elements between the brackets; each keeps what stood before it. Nobody can tell whose a comment
    /// between two elements is.
    private mutating func changeFlow(
        _ collection: Node, _ elements: [Node], _ removed: Set<Int>, _ added: [[UInt8]]
    ) throws(SourceEditError) {
        guard let first = elements.first, let last = elements.last else { return }
        let starts = elements.map(\.mark.start) + [collection.mark.end]
        let ends = [collection.mark.start + 1] + elements.map(\.mark.end)
        guard !zip(ends, starts).contains(where: { text($0, max($0, $1)).contains(UInt8(ascii: "#")) }) else {
            throw refusal(
                collection,
                "has a comment between its brackets; move that out, or write a line for each element")
        }
        let lead = text(collection.mark.start + 1, first.mark.start)
        var separator = [UInt8(ascii: ",")] + (lead.contains(lineFeed) ? lead : [space])
        var parts: [UInt8] = []
        for (index, element) in elements.enumerated() {
            if index > 0 { separator = text(elements[index - 1].mark.end, element.mark.start) }
            guard !removed.contains(index) else { continue }
            if !parts.isEmpty { parts += separator }
            parts += text(element.mark.start, element.mark.end)
        }
        for item in added {
            if !parts.isEmpty { parts += separator }
            parts += item
        }
        edit(first.mark.start, last.mark.end, parts)
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
