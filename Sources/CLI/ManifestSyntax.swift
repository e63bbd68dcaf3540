import Cryptography
import Glibc
import YAML

/// What most often makes a manifest unreadable, and is not a slip of its syntax: a merge that is not resolved, a template
/// that is not rendered, and two documents without a separator.
enum ManifestSyntax {
    /// Returns the error for the first conflict marker of git; nil if the file has none.
    ///
    /// No line of a manifest begins with one: what a value has is indented.
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

    /// Whether a template made the file unreadable.
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

    /// `<<<<<<< HEAD`, `||||||| base`, `=======`, `>>>>>>> branch`
    private static func isConflictMarker(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard let first = line.first else { return false }
        let rest = line.drop { $0 == first }
        return line.count - rest.count == markerLength && (rest.first ?? space) == space
    }

    /// The line with `{{` at which reading ended. `{{ a }}` is a mapping that has a mapping as a key, which is refused at
    /// once; what is refused a line later began with it.
    private static func templateLine(in bytes: UnsafeRawBufferPointer, near error: YAMLError) -> Int? {
        firstLine(of: bytes) { line, number in
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

    /// The number of the first line that matches; lines come without their line breaks.
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
