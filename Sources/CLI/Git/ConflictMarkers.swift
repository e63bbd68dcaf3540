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

    /// Returns true if the text after a line is between markers.
    ///
    /// - Parameter isInConflict: True if the line is between markers.
    func isInConflict(after line: ArraySlice<UInt8>, _ isInConflict: Bool) -> Bool {
        if line.starts(with: marker("<", "").dropLast()) { return true }
        return isInConflict && !line.starts(with: marker(">", "").dropLast())
    }

    private func marker(_ character: Character, _ label: String) -> [UInt8] {
        Array((String(repeating: character, count: size) + label + "\n").utf8)
    }

    private func withLineBreak(_ text: [UInt8]) -> [UInt8] {
        text.isEmpty || text.last == lineFeed ? text : text + [lineFeed]
    }
}

private let lineFeed = UInt8(ascii: "\n")
