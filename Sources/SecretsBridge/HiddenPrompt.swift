import CLI
import Cryptography
import Glibc
import System

/// Asks for a value at the terminal, which does not show what is typed.
enum HiddenPrompt {
    /// True if a value would be typed, and be shown unless a prompt reads it.
    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    static var isAvailable: Bool { inputIsTerminal && isatty(STDERR_FILENO) == 1 }

    /// Reads one line. A signal restores the terminal before it takes effect.
    ///
    /// - Parameters:
    ///   - label: The question, without its end.
    ///   - alternative: The option for a value that cannot be typed.
    /// - Throws: `CommandError` without a terminal, for an empty value, and for a value of several lines.
    static func read(_ label: String, alternative: String) throws -> SharedSecret {
        guard isAvailable else {
            throw CommandError("there is no terminal to ask for \(label); give \(alternative)")
        }
        return try TerminationSignals.deferring { () throws(CommandError) in
            try readLine(label, alternative)
        }
    }

    private static func readLine(_ label: String, _ alternative: String) throws(CommandError) -> SharedSecret
    {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else {
            throw CommandError("cannot hide the input: \(lastSystemError()); give \(alternative)")
        }
        var rawSettings = settings
        rawSettings.c_lflag &= ~tcflag_t(ICANON | ISIG | ECHO)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &rawSettings) == 0 else {
            throw CommandError("cannot hide the input: \(lastSystemError()); give \(alternative)")
        }
        defer {
            // Text that was typed after the end of the value must not reach the shell.
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
            Console.prompt("\n")
        }
        Console.prompt("\(label) (not shown): ")
        var line = HiddenLine()
        while true {
            guard TerminationSignals.received == nil else {
                TerminationSignals.takePending()
                throw CommandError("interrupted; nothing was written")
            }
            guard let input = nextByte(milliseconds: 100) else { continue }
            guard let byte = input else {
                throw CommandError("\(label): the terminal was closed; nothing was written")
            }
            switch line.take(byte) {
            case .continuing: continue
            case .finished:
                // Pasted lines arrive together.
                guard nextByte(milliseconds: 50) == nil else {
                    throw CommandError("\(label): the value has several lines; give \(alternative)")
                }
                guard !line.isEmpty else {
                    throw CommandError(
                        "\(label): no value was typed; for an empty value, give \(alternative)")
                }
                return line.finish()
            case .cancelled: throw CommandError("\(label): no value was typed; nothing was written")
            case .interrupted:
                TerminationSignals.recordReceived(SIGINT)
                throw CommandError("interrupted; nothing was written")
            case .tooLong:
                throw CommandError(
                    "\(label): the value is longer than \(HiddenLine.maximumLength) bytes; give \(alternative)"
                )
            }
        }
    }

    /// Returns nil if no byte arrives in time, and `.some(nil)` at the end of the input.
    private static func nextByte(milliseconds: Int32) -> UInt8?? {
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&input, 1, milliseconds) > 0 else { return nil }
        var byte: UInt8 = 0
        let count = Glibc.read(STDIN_FILENO, &byte, 1)
        if count < 0, errno == EINTR { return nil }
        return .some(count == 1 ? byte : nil)
    }
}
