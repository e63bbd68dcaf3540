package import Primitives

/// Edits a file in place of its values: bytes that no edit names stay as they are, comments, order, quotes and
/// line endings included. Where things stand is told by the nodes that were read from the same bytes.
///
/// Edits of one editor must not touch each other's nodes; those of elements of one sequence may. A layout that
/// cannot be edited so (anchors, tags, aliases) is refused, and the file is left to a person.
package struct SourceEditor: Sendable {
    let file: SharedSecret
    private var edits: [Edit] = []

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
    package mutating func replace(_ node: Node, with text: String) throws(SourceEditError) {
        guard let scalar = node.scalar else { throw refusal(node, "is \(node.typeName), not a string") }
        try checkOwn(node)
        var text = Self.quoted(text, as: scalar.style)
        if scalar.style == .literal || scalar.style == .folded, node.mark.end > node.mark.start {
            let hasBreak = withBytes { $0[node.mark.end - 1] == lineFeed }
            if hasBreak { text += lineBreak(at: node.mark.start) }
        }
        edit(node.mark.start, node.mark.end, text)
    }

    /// The file with all edits in it.
    package func finish() -> SecretBytes {
        var output = SecretBuffer(capacity: file.count + 1024)
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
    func checkOwn(_ node: Node) throws(SourceEditError) {
        let first = withBytes { node.mark.start < $0.count ? $0[node.mark.start] : 0 }
        guard !node.isAlias, ![UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!")].contains(first) else {
            throw refusal(node, "is written with an anchor, an alias or a tag; write the value out there")
        }
    }

    func refusal(_ node: Node, _ problem: String) -> SourceEditError {
        SourceEditError(line: node.mark.line, column: node.mark.column, problem: problem)
    }

    /// `nil`: the string as it is best written.
    static func quoted(_ text: String, as style: Scalar.Style?) -> [UInt8] {
        let bytes = Array(text.utf8)
        switch style {
        case .singleQuoted where !bytes.contains(UInt8(ascii: "'")) && !bytes.contains { $0 < space }:
            return [UInt8(ascii: "'")] + bytes + [UInt8(ascii: "'")]
        case .doubleQuoted: break
        default: if bytes.withUnsafeBytes({ ScalarStyle.best(for: $0) }) == .plain { return bytes }
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

    /// The first byte of the line.
    func lineStart(_ offset: Int) -> Int {
        withBytes { bytes in bytes[..<offset].lastIndex(of: lineFeed).map { $0 + 1 } ?? 0 }
    }

    /// The first byte after the line; `hasBreak` false: the file ends before its line does.
    func lineEnd(_ offset: Int) -> (offset: Int, hasBreak: Bool) {
        withBytes { bytes in
            // A block scalar's mark ends at the start of the next line.
            if offset > 0, bytes[offset - 1] == lineFeed { return (offset, true) }
            guard let found = bytes[offset...].firstIndex(of: lineFeed) else { return (bytes.count, false) }
            return (found + 1, true)
        }
    }

    /// As the line at `offset` ends, or the one before it where that is the last.
    func lineBreak(at offset: Int) -> [UInt8] {
        withBytes { bytes in
            let end = bytes[offset...].firstIndex(of: lineFeed) ?? bytes[..<offset].lastIndex(of: lineFeed)
            guard let end, end > 0, bytes[end - 1] == carriageReturn else { return [lineFeed] }
            return [carriageReturn, lineFeed]
        }
    }

    func text(_ start: Int, _ end: Int) -> [UInt8] { withBytes { Array($0[start..<end]) } }
}
