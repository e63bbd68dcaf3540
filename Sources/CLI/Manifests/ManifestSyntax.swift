import Cryptography
import Glibc
import YAML

/// Explains the most frequent reasons why a manifest cannot be read that are not slips of its syntax: unresolved
/// merges, unrendered templates, and two documents without a separator.
enum ManifestSyntax {
    /// Returns the error for the first Git conflict marker, or nil if there is none.
    ///
    /// No line of a manifest starts with a marker, because lines of a value are indented.
    static func mergeConflict(in contents: borrowing SecretBytes, source: String) -> InputError? {
        contents.withUnsafeBytes { mergeConflict(["<", ">"], in: $0, source) }
    }

    /// Returns the error for a file that is neither YAML nor JSON.
    static func inputError(
        _ error: YAMLError, in contents: borrowing SecretBytes, source: String
    ) -> InputError {
        contents.withUnsafeBytes { bytes in
            if let conflict = mergeConflict(["=", "|"], in: bytes, source) { return conflict }
            if let line = templateLine(in: bytes, near: error) {
                return InputError(
                    "\(source):\(line):1",
                    "{{ }} makes this a template, as in a Helm chart, and not YAML; render it first (helm template)"
                )
            }
            guard error.code == .duplicateKey, error.column == 1 else {
                return InputError(error.description)
            }
            return InputError("\(error), or put a line --- between them if they are two documents")
        }
    }

    /// Returns true if a template expression makes the file unreadable.
    static func isHelmTemplate(_ error: YAMLError, in contents: borrowing SecretBytes) -> Bool {
        contents.withUnsafeBytes { templateLine(in: $0, near: error) != nil }
    }

    private static func mergeConflict(
        _ markers: [Unicode.Scalar], in bytes: UnsafeRawBufferPointer, _ source: String
    ) -> InputError? {
        let characters = markers.map { UInt8(ascii: $0) }
        var found: UInt8?
        let line = firstLine(of: bytes) { line, _ in
            guard let first = line.first, characters.contains(first), isConflictMarker(line) else {
                return false
            }
            found = first
            return true
        }
        guard let line, let found else { return nil }
        let marker = String(repeating: String(UnicodeScalar(found)), count: markerLength)
        return InputError(
            "\(source):\(line):1",
            "\(marker) is a conflict marker of git; resolve the merge, and remove the markers")
    }

    private static let markerLength = 7

    /// Returns true for `<<<<<<< HEAD`, `||||||| base`, `=======` and `>>>>>>> branch`.
    private static func isConflictMarker(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard let first = line.first else { return false }
        let rest = line.drop { $0 == first }
        return line.count - rest.count == markerLength && (rest.first ?? space) == space
    }

    /// Returns the line with `{{` at which parsing failed. `{{ a }}` is a mapping with a mapping as key, which fails on
    /// its own line; an error on the next line can be caused by it, too.
    private static func templateLine(in bytes: UnsafeRawBufferPointer, near error: YAMLError) -> Int? {
        // Other errors, such as a key that occurs twice, have other causes even if the line has a comment with braces.
        guard error.code == .syntax || error.code == .badKey else { return nil }
        return firstLine(of: bytes) { line, number in
            guard (error.line - 1...error.line).contains(number), let start = braces(in: line) else {
                return false
            }
            if number == error.line { return true }
            let before = line[..<start].filter { $0 != space && $0 != UInt8(ascii: "\t") }
            return before.isEmpty || before.last == UInt8(ascii: ":") || before == [UInt8(ascii: "-")]
        }
    }

    private static func braces(in line: Slice<UnsafeRawBufferPointer>) -> Int? {
        let brace = UInt8(ascii: "{")
        return line.indices.dropLast().first { line[$0] == brace && line[$0 + 1] == brace }
    }

    /// Returns the number of the first line that matches. `matches` gets lines without line breaks.
    private static func firstLine(
        of bytes: UnsafeRawBufferPointer, where matches: (Slice<UnsafeRawBufferPointer>, Int) -> Bool
    ) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        var (start, number) = (0, 1)
        while start < bytes.count {
            let found = memchr(base + start, Int32(lineFeed), bytes.count - start)
            let end = found.map { UnsafeRawPointer($0) - base } ?? bytes.count
            let hasReturn = end > start && bytes[end - 1] == UInt8(ascii: "\r")
            if matches(bytes[start..<(hasReturn ? end - 1 : end)], number) { return number }
            (start, number) = (end + 1, number + 1)
        }
        return nil
    }

    private static let space = UInt8(ascii: " ")
    private static let lineFeed = UInt8(ascii: "\n")
}

/// Detects UTF-16, which kubectl reads and this program does not.
enum TextEncoding {
    /// Refuses UTF-16. A search for a word finds nothing in it, so the file would be skipped silently.
    static func rejectUTF16(_ contents: SharedSecret, source: String) throws(InputError) {
        guard let name = contents.bytes.withUnsafeBytes({ utf16Encoding($0) }) else { return }
        throw InputError(source, "is UTF-16; convert it to UTF-8 with iconv -f \(name) -t UTF-8")
    }

    /// Returns the encoding's name for iconv, or nil if the bytes are not UTF-16.
    static func utf16Encoding(_ bytes: UnsafeRawBufferPointer) -> String? {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { return "UTF-16" }
        // Without a byte order mark, every second byte of ASCII is NUL.
        let start = bytes.prefix(16)
        guard start.count >= 4 else { return nil }
        let pairs = stride(from: 0, to: start.count - 1, by: 2).map { (start[$0], start[$0 + 1]) }
        if pairs.allSatisfy({ isText($0) && $1 == 0 }) { return "UTF-16LE" }
        return pairs.allSatisfy({ $0 == 0 && isText($1) }) ? "UTF-16BE" : nil
    }

    private static func isText(_ byte: UInt8) -> Bool { byte >= 0x20 || (9...13).contains(byte) }
}
