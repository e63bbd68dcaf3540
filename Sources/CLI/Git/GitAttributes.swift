import System

/// The lines of a gitattributes(5) file that assign the diff and merge drivers. Other lines stay as they are.
package struct GitAttributes: Sendable, Equatable {
    package static let driver = "wrappedsecret"
    private static let assignments = ["diff=\(driver)", "merge=\(driver)"]

    package private(set) var text: String

    package init(_ text: String) { self.text = text }

    /// Checks a pattern of gitattributes(5).
    ///
    /// - Throws: `InputError` if it cannot be a pattern.
    package static func check(pattern: String) throws(InputError) {
        guard !pattern.isEmpty, !pattern.hasPrefix("!"), !pattern.hasPrefix("[attr]"),
            !pattern.unicodeScalars.contains(where: \.isInvisible)
        else {
            throw InputError(
                "\(quoted(pattern)) is not a pattern of gitattributes; for example: 'secrets/*.yaml'",
                isUsage: true)
        }
    }

    /// Assigns the drivers to files of a pattern. A line that assigns one of them gets the other.
    ///
    /// - Returns: False if the file assigns both already.
    package mutating func add(pattern: String) -> Bool {
        let written = Self.written(pattern)
        var lines = lines
        for (index, line) in lines.enumerated() {
            guard let (found, attributes) = Self.parse(line), found == written,
                attributes.contains(where: Self.assignments.contains)
            else { continue }
            let missing = Self.assignments.filter { !attributes.contains($0) }
            if missing.isEmpty { return false }
            lines[index] = ([found] + attributes + missing).joined(separator: " ") + Self.ending(of: line)
            text = Self.join(lines)
            return true
        }
        let ending = lines.last.map(Self.ending) ?? ""
        text = Self.join(lines + [([written] + Self.assignments).joined(separator: " ") + ending])
        return true
    }

    /// Removes the drivers from all lines, and lines that assign nothing else.
    ///
    /// - Returns: False if no line assigns them.
    package mutating func removeAll() -> Bool {
        let old = lines
        let new = old.compactMap { line -> String? in
            guard let (pattern, attributes) = Self.parse(line),
                attributes.contains(where: Self.assignments.contains)
            else { return line }
            let rest = attributes.filter { !Self.assignments.contains($0) }
            return rest.isEmpty ? nil : ([pattern] + rest).joined(separator: " ") + Self.ending(of: line)
        }
        guard new != old else { return false }
        text = Self.join(new)
        return true
    }

    /// The lines, with their carriage returns: `"\r\n"` is one Character, so that bytes are split.
    private var lines: [String] {
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
            String(Substring($0))
        }
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    private static func ending(of line: String) -> String { line.utf8.last == UInt8(ascii: "\r") ? "\r" : "" }

    private static func join(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }

    /// Returns the pattern as it is written in a line, and the attributes, or nil for a comment or an empty line. Git reads bytes: a
    /// quote before a combining character is a quote, although both are one Character.
    private static func parse(_ line: String) -> (pattern: String, attributes: [String])? {
        let isBlank: (Unicode.Scalar) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
        let scalars = line.unicodeScalars.drop(while: isBlank)
        guard let first = scalars.first, first != "#" else { return nil }
        var end = scalars.firstIndex(where: isBlank) ?? scalars.endIndex
        if first == "\"" {
            // A quoted pattern ends at the next quote that no backslash precedes.
            var isEscaped = false
            end = scalars.endIndex
            for index in scalars.indices.dropFirst() {
                if scalars[index] == "\"", !isEscaped {
                    end = scalars.index(after: index)
                    break
                }
                isEscaped = scalars[index] == "\\" && !isEscaped
            }
        }
        return (String(scalars[..<end]), scalars[end...].split(whereSeparator: isBlank).map { String($0) })
    }

    /// Returns a pattern in quotes if it needs them.
    private static func written(_ pattern: String) -> String {
        let scalars = pattern.unicodeScalars
        guard scalars.contains(" ") || scalars.first == "\"" || scalars.first == "#" else { return pattern }
        var quoted = String.UnicodeScalarView()
        quoted.append("\"")
        for scalar in scalars {
            if scalar == "\\" || scalar == "\"" { quoted.append("\\") }
            quoted.append(scalar)
        }
        quoted.append("\"")
        return String(quoted)
    }
}
