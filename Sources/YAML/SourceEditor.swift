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
        // The comment in the header of a block scalar (`|- # why`) stays on the line.
        let text = Self.quoted(text, as: scalar.style) + headerComment(of: node)
        edit(node.range.start, contentEnd(of: node), text)
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
    /// The mappings that replace an empty value, by the start of its key.
    var filledKeys: [Int: SourceEditor.NewValue] = [:]

    /// The number of changes.
    var count: Int {
        replaced.count + removedKeys.count + filledKeys.count
            + removedElements.values.reduce(0) { $0 + $1.count }
            + addedElements.values.reduce(0) { $0 + $1.count } + addedPairs.values.reduce(0) { $0 + $1.count }
    }
}
