import CLI
import Cryptography
import Glibc
import KMS
import Settings
import System

/// Standard output and standard error. Lines may contain names from files and clusters, so invisible characters are
/// written as escapes.
enum Console {
    private static let writeError = Locked<String?>(nil)

    private static let outputDisplay = display(isTerminal: isatty(STDOUT_FILENO) == 1)
    static let errorDisplay = display(isTerminal: isatty(STDERR_FILENO) == 1)

    /// The display behind standard output if git reads it: git sets a variable if its pager shows colours.
    static let pagerDisplay =
        Environment.process.value("GIT_PAGER_IN_USE") == nil ? outputDisplay : display(isTerminal: true)

    private static func display(isTerminal: Bool) -> TerminalCapabilities {
        let environment = Environment.process
        return TerminalCapabilities(
            isTerminal: isTerminal, term: environment.value("TERM"), noColor: environment.value("NO_COLOR"))
    }

    /// The first error of writing a line to standard output. A command whose output was lost has failed.
    static var outputFailure: String? { writeError.withLock { $0 } }

    /// Writes bytes to standard output.
    ///
    /// - Throws: `CommandError` if not all of them could be written.
    static func write(_ bytes: borrowing SecretBytes) throws {
        try bytes.withUnsafeBytes { bytes in
            guard writeAll(bytes, to: STDOUT_FILENO) else {
                throw CommandError("cannot write the output: \(lastSystemError())")
            }
        }
    }

    /// Writes a line to standard output.
    static func writeLine(_ text: String) { writeLine(StyledText(text)) }

    static func writeLine(_ text: StyledText) { writeLine(text, for: outputDisplay) }

    static func writeLine(_ text: StyledText, for display: TerminalCapabilities) {
        guard !writeText(text.rendered(for: display) + "\n", to: STDOUT_FILENO) else { return }
        let reason = lastSystemError()
        writeError.withLock { $0 = $0 ?? reason }
    }

    static func error(_ message: String) {
        line(StyledText("error:", .red) + StyledText(" \(message)"))
    }

    /// Writes a line for each problem. Problems that differ only in their location are summarized.
    static func errors(_ problems: [String]) { RepeatedProblems.lines(problems).forEach(error) }

    /// Writes a line to standard error without a prefix, such as a command's usage.
    static func errorLine(_ text: String) { line(StyledText(text)) }

    /// Writes a line in the form of git's messages about conflicts.
    static func conflict(_ message: String) {
        line(StyledText("CONFLICT:", .red) + StyledText(" \(message)"))
    }

    static func warning(_ message: String) {
        line(StyledText("warning:", .yellow) + StyledText(" \(message)"))
    }

    static func note(_ message: String) {
        line(StyledText("note:", .cyan) + StyledText(" \(message)"))
    }

    /// Writes a question of one or more lines to standard error, without a line break at its end.
    static func prompt(_ question: String) {
        writeText(
            question.split(separator: "\n", omittingEmptySubsequences: false).map {
                String($0).escapingInvisibleCharacters
            }
            .joined(separator: "\n"))
    }

    /// Writes a line that the next one or `clearLine` replaces. It is cut to the width of the terminal. Standard error must
    /// be a terminal.
    static func transientLine(_ text: String) {
        writeText("\r\u{1B}[K\(text.escapingInvisibleCharacters.fitting(columns: errorColumns))")
    }

    /// The current width of the terminal, which may be resized at any time.
    private static var errorColumns: Int? {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : nil
    }

    static func clearLine() {
        writeText("\r\u{1B}[K")
    }

    private static func line(_ text: StyledText) {
        writeText(text.rendered(for: errorDisplay) + "\n")
    }

    @discardableResult
    private static func writeText(_ text: String, to file: Int32 = STDERR_FILENO) -> Bool {
        Array(text.utf8).withUnsafeBytes { writeAll($0, to: file) }
    }
}
