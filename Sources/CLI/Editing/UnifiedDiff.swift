package import Cryptography

/// The differences of two texts with three lines of context, as `diff -u` prints them. The texts are files of a
/// repository, and are copied to ordinary memory.
package struct UnifiedDiff: Sendable {
    private enum Kind: Character { case same = " ", removed = "-", added = "+" }

    private typealias Line = (kind: Kind, text: ArraySlice<UInt8>)

    /// The lines of the diff, which are empty for equal texts.
    package let lines: [String]

    private static let context = 3
    /// Above these sizes, texts are not compared by lines, each of which takes about a hundred bytes of memory.
    private static let maximumBytes = 8 << 20
    private static let maximumLines = 1_000_000

    package init(from old: SharedSecret, to new: SharedSecret) {
        self.init(
            old.bytes.withUnsafeBytes { old in
                new.bytes.withUnsafeBytes { new in ChangedPart(from: old, to: new, context: Self.context) }
            })
    }

    private init(_ part: ChangedPart?) {
        guard let part else {
            lines = []
            return
        }
        guard part.old.count + part.new.count <= Self.maximumBytes,
            part.old.count(where: { $0 == lineFeed }) + part.new.count(where: { $0 == lineFeed })
                <= Self.maximumLines
        else {
            lines = ["the texts differ, and are too large to compare by lines"]
            return
        }
        let script = Self.script(Self.split(part.old), Self.split(part.new))
        var lines: [String] = []
        var (position, oldLine, newLine) = (0, part.firstLine, part.firstLine)
        for hunk in Self.hunks(script) {
            for line in script[position..<hunk.lowerBound] {
                if line.kind != .added { oldLine += 1 }
                if line.kind != .removed { newLine += 1 }
            }
            let oldCount = script[hunk].count { $0.kind != .added }
            let newCount = script[hunk].count { $0.kind != .removed }
            // A side without lines is given by the line before it.
            lines.append(
                "@@ -\(oldCount == 0 ? oldLine - 1 : oldLine),\(oldCount) "
                    + "+\(newCount == 0 ? newLine - 1 : newLine),\(newCount) @@")
            for line in script[hunk] { lines += Self.format(line) }
            oldLine += oldCount
            newLine += newCount
            position = hunk.upperBound
        }
        self.lines = lines
    }

    /// Splits a text into lines with their line feeds.
    private static func split(_ text: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var rest = text[...]
        while let end = rest.firstIndex(of: lineFeed) {
            lines.append(rest[...end])
            rest = rest[(end + 1)...]
        }
        return rest.isEmpty ? lines : lines + [rest]
    }

    private static func script(_ old: [ArraySlice<UInt8>], _ new: [ArraySlice<UInt8>]) -> [Line] {
        let difference = LineDifference(from: old, to: new)
        var script: [Line] = []
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, difference.removed[left] {
                script.append((.removed, old[left]))
                left += 1
            } else if right < new.count, difference.added[right] {
                script.append((.added, new[right]))
                right += 1
            } else {
                script.append((.same, new[right]))
                left += 1
                right += 1
            }
        }
        return script
    }

    /// Returns the ranges of the script that are shown with their context.
    private static func hunks(_ script: [Line]) -> [Range<Int>] {
        var hunks: [Range<Int>] = []
        for index in script.indices where script[index].kind != .same {
            let range = max(0, index - context)..<min(script.count, index + context + 1)
            if let last = hunks.last, last.upperBound >= range.lowerBound {
                hunks[hunks.count - 1] = last.lowerBound..<range.upperBound
            } else {
                hunks.append(range)
            }
        }
        return hunks
    }

    private static func format(_ line: Line) -> [String] {
        let hasBreak = line.text.last == lineFeed
        let bytes = hasBreak ? line.text.dropLast() : line.text
        // Bytes that are not UTF-8 are escaped, so that different ones look different.
        let text =
            String(validating: bytes, as: UTF8.self)
            ?? bytes.map { $0 < 0x80 ? String(UnicodeScalar($0)) : "\\x\(hex([$0]))" }.joined()
        return ["\(line.kind.rawValue)\(text)"] + (hasBreak ? [] : [#"\ No newline at end of file"#])
    }
}

/// The lines from the first to the last difference of two texts, with lines of context around them. Most changes of a large file
/// are a small part of it.
private struct ChangedPart {
    let old: [UInt8]
    let new: [UInt8]
    /// The number of the first line, from 1.
    let firstLine: Int

    /// Returns nil for equal texts.
    init?(from old: UnsafeRawBufferPointer, to new: UnsafeRawBufferPointer, context: Int) {
        var prefix = 0
        while prefix < min(old.count, new.count), old[prefix] == new[prefix] { prefix += 1 }
        guard prefix < max(old.count, new.count) else { return nil }
        let changed = Self.lineStart(before: prefix, skipping: 0, in: old)
        let start = Self.lineStart(before: prefix, skipping: context, in: old)
        let longest = min(old.count, new.count) - changed
        var suffix = 0
        while suffix < longest, old[old.count - suffix - 1] == new[new.count - suffix - 1] { suffix += 1 }
        let end = Self.lineEnd(after: old.count - suffix, skipping: context, in: old)
        self.old = Array(old[start..<end])
        self.new = Array(new[start..<(new.count - (old.count - end))])
        firstLine = old[..<start].count { $0 == lineFeed } + 1
    }

    /// Returns the start of a line that is this many lines before the one at `offset`.
    private static func lineStart(before offset: Int, skipping lines: Int, in text: UnsafeRawBufferPointer)
        -> Int
    {
        var start = offset
        for line in 0...lines {
            // The search for a line before this one begins at its line feed.
            let before = text[..<(line == 0 ? start : max(0, start - 1))]
            start = before.lastIndex(of: lineFeed).map { $0 + 1 } ?? 0
        }
        return start
    }

    /// Returns the end of a line that is this many lines after the one at `offset`.
    private static func lineEnd(after offset: Int, skipping lines: Int, in text: UnsafeRawBufferPointer)
        -> Int
    {
        var end = offset
        for _ in 0...lines { end = text[end...].firstIndex(of: lineFeed).map { $0 + 1 } ?? text.count }
        return end
    }
}

private let lineFeed = UInt8(ascii: "\n")
