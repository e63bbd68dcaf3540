package import Cryptography
import JSON

/// Edits values of a file and keeps all other bytes, comments, order, quotes and line endings included. The nodes that
/// were read from the same bytes give the positions.
///
/// Edits of one editor must not change the same node. An edit of a collection comes after the edits of its content. A
/// layout that cannot be edited in this way (anchors, tags, aliases) is rejected, and the user has to edit the file.
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

    /// Replaces a scalar by a string, in the same quotes if it had quotes.
    package mutating func replace(_ node: YAMLNode, with text: String) throws(SourceEditError) {
        guard let scalar = node.scalar else { throw editError(node, "is \(node.typeName), not a string") }
        try checkEditable(node)
        guard node.range.end > node.range.start else {
            throw editError(node, "is an empty value without quotes; write \"\" instead")
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

    /// Returns the edited file after verifying that it reads as the file before it, with exactly the intended changes.
    ///
    /// - Throws: `SourceEditError` with the position in the original file from which the two differ.
    package func verified() throws(SourceEditError) -> SharedSecret {
        let edited = SharedSecret(unverified())
        try EditVerifier.verify(from: file, to: edited, expected)
        return edited
    }

    /// Returns the edited file without verifying it, for a text that is shown and not saved.
    package func unverified() -> SecretBytes {
        let added = edits.reduce(0) { $0 + $1.text.count }
        var output = SecretBuffer(capacity: file.count + added)
        withBytes { bytes in
            var position = 0
            // Edits of one offset keep their order.
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

    /// - Throws: `SourceEditError` if the node has an anchor or a tag or is an alias.
    func checkEditable(_ node: YAMLNode) throws(SourceEditError) {
        let first = withBytes { node.range.start < $0.count ? $0[node.range.start] : 0 }
        guard !node.isAlias, ![UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!")].contains(first) else {
            throw editError(node, "is written with an anchor, an alias or a tag; write the value out")
        }
    }

    func editError(_ node: YAMLNode, _ problem: String) -> SourceEditError {
        SourceEditError(line: node.range.line, column: node.range.column, problem: problem)
    }

    /// Returns a string as YAML source text, in quotes if it needs them.
    ///
    /// - Parameter style: the style of the scalar that it replaces, or nil for the most legible one.
    static func quoted(_ text: String, as style: YAMLScalar.Style?) -> [UInt8] {
        let bytes = Array(text.utf8)
        switch style {
        case .singleQuoted
        where !text.unicodeScalars.contains { $0 == "'" || JSONString.needsEscape($0) }:
            return [UInt8(ascii: "'")] + bytes + [UInt8(ascii: "'")]
        case .doubleQuoted: break
        default: if bytes.withUnsafeBytes({ StringOutputStyle.best(for: $0) }) == .plain { return bytes }
        }
        var buffer = SecretBuffer()
        bytes.withUnsafeBytes { JSONString.appendQuoted($0, to: &buffer) }
        return buffer.withUnsafeBytes { Array($0) }
    }
}

/// Describes why a file cannot be edited without changing more than intended, on one line and without values.
package struct SourceEditError: Error, Sendable, Equatable {
    package let line: Int
    package let column: Int
    package let problem: String
}

// The lines around an offset.
extension SourceEditor {
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        file.bytes.withUnsafeBytes { body($0) }
    }

    /// Returns the offset of the first byte of a line, after a byte order mark.
    func lineStart(_ offset: Int) -> Int {
        withBytes { bytes in
            let start = LineBreaks.last(before: offset, in: bytes)?.upperBound ?? 0
            let mark = SourceText.byteOrderMark
            let hasMark = offset - start >= mark.count && bytes[start...].starts(with: mark)
            return hasMark ? start + mark.count : start
        }
    }

    /// Returns the offset after a line and its line break. The last line of a file may have none.
    func lineEnd(_ offset: Int) -> (offset: Int, hasBreak: Bool) {
        withBytes { bytes in
            // The range of a block scalar ends at the start of the next line.
            if LineBreaks.length(before: offset, in: bytes) > 0 { return (offset, true) }
            guard let found = LineBreaks.first(from: offset, in: bytes) else { return (bytes.count, false) }
            return (found.upperBound, true)
        }
    }

    /// Returns the line break of the line at `offset`, or of the line before it if it is the last.
    func lineBreak(at offset: Int) -> [UInt8] {
        withBytes { bytes in
            let found =
                LineBreaks.first(from: offset, in: bytes) ?? LineBreaks.last(before: offset, in: bytes)
            return found.map { Array(bytes[$0]) } ?? [lineFeed]
        }
    }

    /// Returns the blank lines after an offset that contain tabs, without their line breaks. A plain value that is
    /// inserted before them would continue on them, with tabs in its indentation.
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

/// The changes that the edits should make, by the offsets of nodes in the original file.
struct ExpectedChanges: Sendable {
    /// The new strings, by the start of the old scalar.
    var replaced: [Int: [UInt8]] = [:]
    /// The indices of removed elements, by the start of the sequence.
    var removedElements: [Int: Set<Int>] = [:]
    var addedElements: [Int: [SourceEditor.NewValue]] = [:]
    /// The starts of the removed keys.
    var removedKeys: Set<Int> = []
    /// The added pairs, by the start of the mapping.
    var addedPairs: [Int: [(key: String, value: SourceEditor.NewValue)]] = [:]

    /// The number of changes.
    var count: Int {
        replaced.count + removedKeys.count + removedElements.values.reduce(0) { $0 + $1.count }
            + addedElements.values.reduce(0) { $0 + $1.count } + addedPairs.values.reduce(0) { $0 + $1.count }
    }
}
