import CLI
import Cryptography
import Glibc
import KMS
import System

/// Standard output and standard error. What is written as a line may hold names out of files and clusters: invisible
/// characters become escapes that are shown.
enum Console {
    private static let loss = Locked<String?>(nil)

    /// What the streams can show.
    private static let outputDisplay = display(isTerminal: isatty(STDOUT_FILENO) == 1)
    static let errorDisplay = display(isTerminal: isatty(STDERR_FILENO) == 1)

    /// Of standard output where git reads it and a pager of git's may be behind it: git says so, and colours what it
    /// writes itself.
    static let pagerDisplay =
        Environment.process.value("GIT_PAGER_IN_USE") == nil ? outputDisplay : display(isTerminal: true)

    private static func display(isTerminal: Bool) -> TerminalCapabilities {
        let environment = Environment.process
        return TerminalCapabilities(
            isTerminal: isTerminal, term: environment.value("TERM"), noColor: environment.value("NO_COLOR"))
    }

    /// Why lines of `say` could not be written; nil: all of them were. Who asked for something and did not get it has
    /// not succeeded.
    static var outputFailure: String? { loss.withLock { $0 } }

    /// Writes all of it or reports that it could not.
    static func write(_ bytes: borrowing SecretBytes) throws {
        try bytes.withUnsafeBytes { bytes in
            guard writeAll(bytes, to: STDOUT_FILENO) else {
                throw CommandError("cannot write the output: \(lastSystemError())")
            }
        }
    }

    /// A line on standard output.
    static func writeLine(_ text: String) { writeLine(StyledText(text)) }

    static func writeLine(_ text: StyledText) { writeLine(text, for: outputDisplay) }

    static func writeLine(_ text: StyledText, for display: TerminalCapabilities) {
        guard !put(text.rendered(for: display) + "\n", to: STDOUT_FILENO) else { return }
        let reason = lastSystemError()
        loss.withLock { $0 = $0 ?? reason }
    }

    static func error(_ message: String) {
        line(StyledText("error:", .red) + StyledText(" \(message)"))
    }

    /// A line each; those that are equal but for their place are summed up.
    static func errors(_ problems: [String]) { RepeatedProblems.lines(problems).forEach(error) }

    /// A line on standard error as it is, such as how a command is used.
    static func errorLine(_ text: String) { line(StyledText(text)) }

    static func warning(_ message: String) {
        line(StyledText("warning:", .yellow) + StyledText(" \(message)"))
    }

    static func note(_ message: String) {
        line(StyledText("note:", .cyan) + StyledText(" \(message)"))
    }

    /// A question, which may have several lines, without a line break after it.
    static func prompt(_ question: String) {
        put(
            question.split(separator: "\n", omittingEmptySubsequences: false).map {
                String($0).escapingInvisibleCharacters
            }
            .joined(separator: "\n"))
    }

    /// A line that the next one, or `clearLine`, takes the place of; cut where the terminal is too narrow. Only for a
    /// terminal.
    static func transientLine(_ text: String) {
        put("\r\u{1B}[K\(text.escapingInvisibleCharacters.fitting(columns: errorColumns))")
    }

    /// Of the terminal now; it may be resized at any time.
    private static var errorColumns: Int? {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : nil
    }

    static func clearLine() {
        put("\r\u{1B}[K")
    }

    private static func line(_ text: StyledText) {
        put(text.rendered(for: errorDisplay) + "\n")
    }

    @discardableResult
    private static func put(_ text: String, to file: Int32 = STDERR_FILENO) -> Bool {
        Array(text.utf8).withUnsafeBytes { writeAll($0, to: file) }
    }
}
