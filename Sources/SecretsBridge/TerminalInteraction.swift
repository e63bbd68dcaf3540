import CLI
import Glibc
import System

/// A progress line at the bottom of a terminal. It is not shown if standard error is not a terminal. Safe to use from many
/// tasks.
final class ProgressLine: Sendable {
    private struct State {
        var meter: ProgressMeter?
        var lastLine = ""
    }

    private let state: Locked<State>

    /// - Parameter total: The number of steps, or nil while it is unknown.
    init(total: Int?) {
        let isShown = Console.errorDisplay.canMoveCursor
        state = Locked(State(meter: isShown ? ProgressMeter(total: total, now: .now) : nil))
    }

    func setTotal(_ total: Int) { update { $0.setTotal(total) } }

    func advance(by count: Int) { update { $0.advance(by: count) } }

    /// Runs a closure whose output appears above the progress line.
    func printAbove(_ print: () -> Void) {
        state.withLock { state in
            guard state.meter != nil else { return print() }
            Console.clearLine()
            print()
            Console.transientLine(state.lastLine)
        }
    }

    /// Removes the line.
    func finish() {
        state.withLock { state in
            if state.meter != nil { Console.clearLine() }
            state.meter = nil
        }
    }

    private func update(_ change: (inout ProgressMeter) -> Void) {
        state.withLock { state in
            guard var meter = state.meter else { return }
            change(&meter)
            if let line = meter.line(now: .now) {
                Console.transientLine(line)
                state.lastLine = line
            }
            state.meter = meter
        }
    }
}

/// A question to the user at the terminal, answered with one key.
enum Prompt {
    /// Asks a question, and waits for a key. Other keys than those below are ignored. Ctrl-C is recorded as a signal.
    ///
    /// - Returns: True for `y`, `enter` for Enter, and false for `q`, `n`, Ctrl-D, Ctrl-C, after a signal, and without a
    ///   terminal.
    static func confirm(_ question: String, enter: Bool = true) -> Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return false }
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return false }
        defer {
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
            Console.prompt("\n")
        }
        // Keys are read one by one, Ctrl-C among them.
        var rawSettings = settings
        rawSettings.c_lflag &= ~tcflag_t(ICANON | ISIG | ECHO)
        // TCSAFLUSH discards keys that were typed before the question.
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &rawSettings)
        Console.prompt(question)
        while true {
            guard TerminationSignals.received == nil else { return false }
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            // Another thread may have received the signal, which then does not interrupt a read here.
            guard poll(&input, 1, 100) > 0 else { continue }
            var key: UInt8 = 0
            let count = read(STDIN_FILENO, &key, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return false }
            switch key {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): return enter
            case UInt8(ascii: "y"), UInt8(ascii: "Y"): return true
            case UInt8(ascii: "q"), UInt8(ascii: "Q"), UInt8(ascii: "n"), UInt8(ascii: "N"), controlD:
                return false
            case controlC:
                TerminationSignals.recordReceived(SIGINT)
                return false
            default: continue
            }
        }
    }

    private static let controlC: UInt8 = 3
    private static let controlD: UInt8 = 4
}
