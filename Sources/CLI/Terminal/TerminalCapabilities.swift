/// What a stream can show besides text.
package struct TerminalCapabilities: Sendable, Equatable {
    /// A line may take the place of another one.
    package let canMoveCursor: Bool
    package let hasColours: Bool

    /// - Parameters:
    ///   - isTerminal: or a pager that hands on to one what it gets.
    ///   - term: TERM; without it, as with `dumb`, nothing is known of the terminal.
    ///   - noColor: NO_COLOR; set and not empty, it turns colours off (no-color.org).
    package init(isTerminal: Bool, term: String?, noColor: String?) {
        canMoveCursor = isTerminal && !["dumb", "", nil].contains(term)
        hasColours = canMoveCursor && ["", nil].contains(noColor)
    }
}
