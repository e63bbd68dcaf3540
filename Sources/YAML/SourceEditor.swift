package import Cryptography

/// Edits a file in place of its values: bytes that no edit names stay as they are, comments, order, quotes and
/// line endings included. Where things stand is told by the nodes that were read from the same bytes.
///
/// Edits of one editor must not touch each other's nodes; those of elements of one sequence may, and those of a collection
/// may follow those of what is in it. A layout that cannot be edited so (anchors, tags, aliases) is refused, and the file is
/// left to a person.
package struct SourceEditor: Sendable {
    let file: SharedSecret
    private var edits: [Edit] = []
    var expected = ExpectedChanges()

    struct Edit {
        let start: Int
        let end: Int
        let text: [UInt8]
    }

    package init(_ file: SharedSecret) {
        self.file = file
    }

    package var isEmpty: Bool { edits.isEmpty }

    /// Puts a string in place of a scalar, in the same quotes where it had some.
    package mutating func replace(_ node: YAMLNode, with text: String) throws(SourceEditError) {
        guard let scalar = node.scalar else { throw editError(node, "is \(node.typeName), not a string") }
        try checkEditable(node)
        guard node.range.end > node.range.start else {
            throw editError(node, "is an empty value without quotes; write \"\" there")
        }
        expected.replaced[node.range.start] = Array(text.utf8)
        var text = Self.quoted(text, as: scalar.style)
        if scalar.style == .literal || scalar.style == .folded,
            withBytes({ LineBreaks.length(before: node.range.end, in: $0) }) > 0
        {
            text += lineBreak(at: node.range.start)
        }
        edit(node.range.start, node.range.end, text)
    }

    /// The file with all edits in it, proved: every edit gives the value that is wanted, and all else in all documents is
    /// read as before, comments aside.
    ///
    /// - Throws: `SourceEditError` with the place in the file as it is, where that is not so.
    package func verified() throws(SourceEditError) -> SharedSecret {
        let edited = SharedSecret(unverified())
        try EditVerifier.verify(from: file, to: edited, expected)
        return edited
    }

    /// The file with all edits in it, unproved: for a text that is shown, not kept.
    package func unverified() -> SecretBytes {
        let added = edits.reduce(0) { $0 + $1.text.count }
        var output = SecretBuffer(capacity: file.count + added)
        withBytes { bytes in
            var position = 0
            // Equal places keep the order in which they were asked for.
            let ordered = edits.enumerated().sorted { ($0.1.start, $0.0) < ($1.1.start, $1.0) }.map(\.1)
            for edit in ordered {
                let start = max(edit.start, position)
                output.append(UnsafeRawBufferPointer(rebasing: bytes[position..<start]))
                output.append(edit.text)
                position = max(edit.end, start)
            }
            output.append(UnsafeRawBufferPointer(rebasing: bytes[position...]))
        }
        return output.finish()
    }

    mutating func edit(_ start: Int, _ end: Int, _ text: [UInt8]) {
        edits.append(Edit(start: start, end: end, text: text))
    }

    /// Whether the node is written out where it stands, without what others may refer to.
    func checkEditable(_ node: YAMLNode) throws(SourceEditError) {
        let first = withBytes { node.range.start < $0.count ? $0[node.range.start] : 0 }
        guard !node.isAlias, ![UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!")].contains(first) else {
            throw editError(node, "is written with an anchor, an alias or a tag; write the value out there")
        }
    }

    func editError(_ node: YAMLNode, _ problem: String) -> SourceEditError {
        SourceEditError(line: node.range.line, column: node.range.column, problem: problem)
    }

    /// `nil`: the string as it is best written.
    static func quoted(_ text: String, as style: YAMLScalar.Style?) -> [UInt8] {
        let bytes = Array(text.utf8)
        switch style {
        case .singleQuoted
        where !text.unicodeScalars.contains { $0 == "'" || StringOutputStyle.needsEscape($0) }:
            return [UInt8(ascii: "'")] + bytes + [UInt8(ascii: "'")]
        case .doubleQuoted: break
        default: if bytes.withUnsafeBytes({ StringOutputStyle.best(for: $0) }) == .plain { return bytes }
        }
        var buffer = SecretBuffer()
        bytes.withUnsafeBytes { QuotedString.append($0, to: &buffer) }
        return buffer.withUnsafeBytes { Array($0) }
    }
}

/// Why a file cannot be edited without touching more than it should. One line, no values.
package struct SourceEditError: Error, Sendable, Equatable {
    package let line: Int
    package let column: Int
    package let problem: String
}

/// Lines around places.
extension SourceEditor {
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        file.bytes.withUnsafeBytes { body($0) }
    }

    /// The first byte of the line, after a byte order mark.
    func lineStart(_ offset: Int) -> Int {
        withBytes { bytes in
            let start = LineBreaks.last(before: offset, in: bytes)?.upperBound ?? 0
            let mark = SourceText.byteOrderMark
            let hasMark = offset - start >= mark.count && bytes[start...].starts(with: mark)
            return hasMark ? start + mark.count : start
        }
    }

    /// The first byte after the line; `hasBreak` false: the file ends before its line does.
    func lineEnd(_ offset: Int) -> (offset: Int, hasBreak: Bool) {
        withBytes { bytes in
            // A block scalar's mark ends at the start of the next line.
            if LineBreaks.length(before: offset, in: bytes) > 0 { return (offset, true) }
            guard let found = LineBreaks.first(from: offset, in: bytes) else { return (bytes.count, false) }
            return (found.upperBound, true)
        }
    }

    /// As the line at `offset` ends, or the one before it where that is the last.
    func lineBreak(at offset: Int) -> [UInt8] {
        withBytes { bytes in
            let found =
                LineBreaks.first(from: offset, in: bytes) ?? LineBreaks.last(before: offset, in: bytes)
            return found.map { Array(bytes[$0]) } ?? [lineFeed]
        }
    }

    /// Lines of blanks that follow a place and have tabs among them, without their breaks: a plain value that comes to
    /// stand before them goes on there, with an indentation that has tabs in it.
    func blankLinesWithTabs(after offset: Int) -> [Range<Int>] {
        withBytes { bytes in
            var found: [Range<Int>] = []
            var start = offset
            while start < bytes.count {
                let end = LineBreaks.first(from: start, in: bytes) ?? bytes.count..<bytes.count
                let line = bytes[start..<end.lowerBound]
                guard line.allSatisfy({ $0 == space || $0 == tab }) else { break }
                if line.contains(tab) { found.append(start..<end.lowerBound) }
                start = end.upperBound
            }
            return found
        }
    }

    func bytes(_ start: Int, _ end: Int) -> [UInt8] { withBytes { Array($0[start..<max(start, end)]) } }
}
