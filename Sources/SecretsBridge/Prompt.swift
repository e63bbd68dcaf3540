import CLI
import Glibc
import System

/// A question to the person at the terminal, answered by one key.
enum Prompt {
    /// Returns true for `y`, `enter` for Enter, and false for `q`, `n`, Ctrl-D, without a terminal, and when the program is interrupted:
    /// by Ctrl-C or a signal, which is recorded. Other keys mean nothing.
    static func confirm(_ question: String, enter: Bool = true) -> Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return false }
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return false }
        defer {
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
            Console.prompt("\n")
        }
        // Each key by itself. Ctrl-C is one of them.
        var oneKey = settings
        oneKey.c_lflag &= ~tcflag_t(ICANON | ISIG | ECHO)
        // What was typed before the question is no answer to it.
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &oneKey)
        Console.prompt(question)
        while true {
            guard TerminationSignals.received == nil else { return false }
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            // Another thread may have got the signal: it does not interrupt a read here.
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
