import Cryptography
import YAML

/// The lines of a WrappedSecret that hold its recipients, its MAC and its data, if each of these fields is on lines of
/// its own.
struct EnvelopeRegion {
    struct Lines {
        /// The offsets in the file, with the line break of the last line.
        let range: Range<Int>
        let text: [UInt8]
    }

    static let fieldNames = ["recipients", "mac", "data"]

    /// The lines by field. A WrappedSecret without entries may have no `data`.
    let fields: [String: Lines]
    /// The comments on these lines. Key ids, names of entries and ciphertexts contain no `#`.
    let comments: [[UInt8]]
    private let contents: SharedSecret

    /// Returns nil if the layout has no such lines.
    init?(of document: WrappedSecretDocument, in file: WrappedSecretFile) {
        // Many WrappedSecrets can have an alias of one spec, whose lines are not theirs.
        guard !document.node.isAlias,
            let spec = document.node.entries?.first(where: { $0.key == "spec" }),
            !spec.isMerged, !spec.value.isAlias, let entries = spec.value.entries
        else { return nil }
        var fields: [String: Lines] = [:]
        for entry in entries where Self.fieldNames.contains(entry.key) {
            guard !entry.isMerged, !entry.value.isAlias,
                let lines = file.contents.bytes.withUnsafeBytes({
                    Self.lines(entry.keyRange.start, entry.value.range.end, in: $0)
                })
            else { return nil }
            fields[entry.key] = lines
        }
        guard fields["recipients"] != nil, fields["mac"] != nil else { return nil }
        self.fields = fields
        contents = file.contents
        comments = Self.fieldNames.compactMap { fields[$0]?.text }.joined().split(separator: lineFeed)
            .compactMap {
                line in line.firstIndex(of: UInt8(ascii: "#")).map { Array(line[$0...]) }
            }
    }

    private static func lines(_ start: Int, _ end: Int, in bytes: UnsafeRawBufferPointer) -> Lines? {
        guard start < end, end <= bytes.count else { return nil }
        // The search ends at the first character that is no space: a whole file can be one line.
        let lineStart = bytes[..<start].lastIndex { $0 != UInt8(ascii: " ") }.map { $0 + 1 } ?? 0
        guard lineStart == 0 || bytes[lineStart - 1] == lineFeed else { return nil }
        // libyaml ends a block scalar after the blank lines that follow it. They are not part of the value.
        let end = bytes[start..<end].lastIndex { !" \t\r\n".utf8.contains($0) }.map { $0 + 1 } ?? end
        guard let found = bytes[end...].firstIndex(of: lineFeed) else { return nil }
        let rest = bytes[end..<found].filter { !" \t\r,".utf8.contains($0) }
        guard rest.isEmpty || rest.first == UInt8(ascii: "#") else { return nil }
        let lineEnd = found + 1
        return Lines(range: lineStart..<lineEnd, text: Array(bytes[lineStart..<lineEnd]))
    }

    /// All lines together, with blank lines between them, or nil if there are others.
    var block: Lines? {
        let ranges = fields.values.map(\.range).sorted { $0.lowerBound < $1.lowerBound }
        guard let first = ranges.first, let last = ranges.last else { return nil }
        return contents.bytes.withUnsafeBytes { bytes in
            for (range, next) in zip(ranges, ranges.dropFirst()) {
                guard bytes[range.upperBound..<next.lowerBound].allSatisfy({ " \t\r\n".utf8.contains($0) })
                else { return nil }
            }
            let range = first.lowerBound..<last.upperBound
            return Lines(range: range, text: Array(bytes[range]))
        }
    }

    /// Returns the side whose comments the merged region has, or nil if both sides changed them.
    ///
    /// - Parameter base: The region of the common ancestor, or nil if there is none.
    static func layout(base: EnvelopeRegion?, ours: EnvelopeRegion, theirs: EnvelopeRegion) -> MergeSide? {
        if ours.comments == theirs.comments || theirs.comments == base?.comments { return .ours }
        return ours.comments == base?.comments ? .theirs : nil
    }
}

private let lineFeed = UInt8(ascii: "\n")
