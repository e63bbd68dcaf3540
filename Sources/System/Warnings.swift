import Glibc

/// Warnings about files and settings that work in part, from modules that have no logger. Each message is reported once
/// in the life of the process: clients read their files again and again.
package enum Warnings {
    private struct State {
        var reported: Set<String> = []
        var report: @Sendable (String) -> Void = { message in
            _ = Array("warning: \(message)\n".utf8).withUnsafeBytes { writeAll($0, to: STDERR_FILENO) }
        }
    }

    private static let state = Locked(State())
    /// Of different messages; later ones are dropped.
    private static let maximum = 256

    /// Where warnings go from now on, such as to a logger; before, they go to standard error.
    package static func setHandler(to report: @escaping @Sendable (String) -> Void) {
        state.withLock { $0.report = report }
    }

    /// Reports one line.
    package static func report(_ message: String) {
        let line = message.escapingInvisibleCharacters
        let report = state.withLock { state -> (@Sendable (String) -> Void)? in
            guard state.reported.count < maximum, state.reported.insert(line).inserted else { return nil }
            return state.report
        }
        report?(line)
    }
}
