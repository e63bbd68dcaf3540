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
        guard !Self.areTooLarge(old, new) else {
            let isSame = old.bytes.equals(new.bytes)
            lines = isSame ? [] : ["the texts differ, and are too large to compare by lines"]
            return
        }
        let script = Self.script(Self.split(old), Self.split(new))
        var lines: [String] = []
        var (position, oldLine, newLine) = (0, 1, 1)
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

    private static func areTooLarge(_ old: SharedSecret, _ new: SharedSecret) -> Bool {
        guard old.count + new.count <= maximumBytes else { return true }
        let breaks = [old, new].reduce(0) { sum, text in
            sum + text.bytes.withUnsafeBytes { $0.count { $0 == lineFeed } }
        }
        return breaks > maximumLines
    }

    /// Splits a text into lines with their line feeds.
    private static func split(_ text: SharedSecret) -> [ArraySlice<UInt8>] {
        let bytes = text.bytes.withUnsafeBytes { Array($0) }
        var lines: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
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

    private static let lineFeed = UInt8(ascii: "\n")
}
