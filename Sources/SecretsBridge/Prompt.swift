import CLI
import Glibc

/// A question to the person at the terminal, answered by one key.
enum Prompt {
    /// True for Enter; false for q, Ctrl-C, Ctrl-D, and where nobody is there. Other keys mean nothing.
    static func asks(_ question: String) -> Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return false }
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return false }
        defer {
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
            Console.ask("\n")
        }
        // Each key by itself. Ctrl-C is one of them, as its signal is ignored while an editor runs.
        var oneKey = settings
        oneKey.c_lflag &= ~tcflag_t(ICANON | ISIG | ECHO)
        // What was typed before the question is no answer to it.
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &oneKey)
        Console.ask(question)
        while true {
            var key: UInt8 = 0
            let count = read(STDIN_FILENO, &key, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return false }
            switch key {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): return true
            case UInt8(ascii: "q"), UInt8(ascii: "Q"), controlC, controlD: return false
            default: continue
            }
        }
    }

    private static let controlC: UInt8 = 3
    private static let controlD: UInt8 = 4
}
