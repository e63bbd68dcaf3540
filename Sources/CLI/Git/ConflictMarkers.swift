import Cryptography

/// Writes and finds the conflict markers of git.
struct ConflictMarkers: Sendable {
    /// The number of characters of a marker, 7 unless gitattributes(5) sets another one.
    let size: Int

    /// Returns both texts between markers.
    func conflict(_ ours: [UInt8], _ theirs: [UInt8]) -> [UInt8] {
        marker("<", " ours") + withLineBreak(ours) + marker("=", "") + withLineBreak(theirs)
            + marker(">", " theirs")
    }

    /// Returns true if a line that starts with `text` is between markers.
    func enclose(_ text: [UInt8], in file: [UInt8]) -> Bool {
        let (open, close) = (marker("<", ""), marker(">", ""))
        var isInside = false
        for line in file.split(separator: lineFeed) {
            if line.starts(with: open.dropLast()) { isInside = true }
            if isInside, line.starts(with: text.prefix { $0 != lineFeed }) { return true }
            if line.starts(with: close.dropLast()) { isInside = false }
        }
        return false
    }

    private func marker(_ character: Character, _ label: String) -> [UInt8] {
        Array((String(repeating: character, count: size) + label + "\n").utf8)
    }

    private func withLineBreak(_ text: [UInt8]) -> [UInt8] {
        text.isEmpty || text.last == lineFeed ? text : text + [lineFeed]
    }
}

private let lineFeed = UInt8(ascii: "\n")
