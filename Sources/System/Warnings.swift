import Glibc

/// Warnings about files and settings of which a part is ignored, from modules that have no logger. Each message is
/// reported once per process, because clients read their files repeatedly.
package enum Warnings {
    private struct State {
        var reported: Set<String> = []
        var report: @Sendable (String) -> Void = { message in
            _ = Array("warning: \(message)\n".utf8).withUnsafeBytes { writeAll($0, to: STDERR_FILENO) }
        }
    }

    private static let state = Locked(State())
    /// The number of different messages that are reported; further ones are dropped.
    private static let maximumMessages = 256

    /// Sets the handler of the warnings that follow, for example a logger. Without one, they are written to standard
    /// error.
    package static func setHandler(to report: @escaping @Sendable (String) -> Void) {
        state.withLock { $0.report = report }
    }

    /// Reports a message on one line.
    package static func report(_ message: String) {
        let line = message.escapingInvisibleCharacters
        let report = state.withLock { state -> (@Sendable (String) -> Void)? in
            guard state.reported.count < maximumMessages, state.reported.insert(line).inserted else {
                return nil
            }
            return state.report
        }
        report?(line)
    }
}

/// Announces that the program reads from a terminal, so that the user knows that it waits for input.
package enum TerminalInput {
    private static let handler = ReplaceableFunction<Void, Void> {}

    /// Sets the function that is called before a terminal is read.
    package static func setReadHandler(_ handler: @escaping @Sendable () -> Void) {
        self.handler.replace(with: handler)
    }

    static func callReadHandler() { handler() }
}
