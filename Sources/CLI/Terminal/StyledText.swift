import System

/// One of the terminal's own colours; which shade that is, its owner chose. The numbers are those of SGR (ECMA-48, 8.3.117).
package enum Colour: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33
    case cyan = 36
}

/// A line with parts in colours. The text may come from files and clusters: invisible characters in it become
/// escapes that are shown, so that those the terminal obeys are the ones of the colours alone.
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
    /// A line that names what comes (`+`), goes (`-`) or changes (`~`), however far it is indented.
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

    /// A line of a unified diff. What stands behind a space is the same in both texts, whatever it begins with.
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
