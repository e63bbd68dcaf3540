import System

/// A colour of the terminal's palette. The numbers are those of SGR (ECMA-48, 8.3.117).
package enum Colour: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33
    case cyan = 36
}

/// A line with coloured parts. Invisible characters of the text, which may come from files and clusters, are escaped,
/// so that the terminal interprets no sequences but those of the colours.
package struct StyledText: Sendable, Equatable {
    private struct Part: Sendable, Equatable {
        let text: String
        let colour: Colour?
    }

    private var parts: [Part]

    package init(_ text: String, _ colour: Colour? = nil) {
        parts = [Part(text: text.escapingInvisibleCharacters, colour: colour)]
    }

    package static func + (left: StyledText, right: StyledText) -> StyledText {
        var sum = left
        sum.parts += right.parts
        return sum
    }

    package var plain: String { parts.map(\.text).joined() }

    package func rendered(for display: TerminalCapabilities) -> String {
        guard display.hasColours else { return plain }
        return parts.map { part in
            guard let colour = part.colour, !part.text.isEmpty else { return part.text }
            return "\u{1B}[\(colour.rawValue)m\(part.text)\u{1B}[0m"
        }.joined()
    }
}

extension StyledText {
    /// Colours an addition (`+`), a removal (`-`) or a change (`~`) at any indentation.
    package init(change line: String) {
        let colour: Colour? =
            switch line.drop(while: { $0 == " " }).prefix(2) {
            case "+ ": .green
            case "- ": .red
            case "~ ": .yellow
            default: nil
            }
        self.init(line, colour)
    }

    /// Colours a line of a unified diff. A line that begins with a space is in both texts.
    package init(diff line: String) {
        let colour: Colour? =
            switch line.first {
            case "+": .green
            case "-": .red
            case "@": .cyan
            default: nil
            }
        self.init(line, colour)
    }
}

/// The capabilities of an output stream besides text.
package struct TerminalCapabilities: Sendable, Equatable {
    /// True if a line can be overwritten.
    package let canMoveCursor: Bool
    package let hasColours: Bool

    /// - Parameters:
    ///   - isTerminal: True for a terminal, and for a pager that writes to one.
    ///   - term: `TERM`. Without it, as with `dumb`, the terminal has no known capabilities.
    ///   - noColor: `NO_COLOR`, which turns colours off unless it is empty (no-color.org).
    package init(isTerminal: Bool, term: String?, noColor: String?) {
        canMoveCursor = isTerminal && !["dumb", "", nil].contains(term)
        hasColours = canMoveCursor && ["", nil].contains(noColor)
    }
}

extension String {
    /// Returns the part of a line that fits on one terminal line, because `\r` returns to the start of the last line
    /// only. The last column stays free, as some terminals advance to the next line when it is written. Every character
    /// counts as one column, as in ASCII.
    ///
    /// - Parameter columns: The width, or nil or 0 if it is unknown, which returns the whole line.
    package func fitting(columns: Int?) -> String {
        guard let columns, columns > 0 else { return self }
        return String(prefix(columns - 1))
    }
}

/// A table with the column layout of kubectl.
package struct TextTable: Sendable {
    private var rows: [[StyledText]]

    /// The longest name of an object. A cell of a malformed object may have megabytes, whose width the other lines would get.
    private static let maximumWidth = 253

    package init(_ titles: [String]) { rows = [titles.map { StyledText($0) }] }

    /// - Parameter colours: The colours of cells by column.
    package mutating func add(_ cells: [String], colours: [Int: Colour] = [:]) {
        rows.append(cells.enumerated().map { StyledText($1, colours[$0]) })
    }

    /// The lines. The cells of a column start three spaces after the widest cell before them, of those that are not too wide.
    /// Colours have no width.
    package var styledLines: [StyledText] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], min(cell.plain.count, Self.maximumWidth))
            }
        }
        return rows.map { row in
            var line = StyledText("")
            for (column, cell) in row.enumerated() {
                let isLast = column == row.count - 1
                let padding = isLast ? 0 : max(widths[column] - cell.plain.count, 0) + 3
                line = line + cell + StyledText(String(repeating: " ", count: padding))
            }
            return line
        }
    }

    package var lines: [String] { styledLines.map(\.plain) }
}
