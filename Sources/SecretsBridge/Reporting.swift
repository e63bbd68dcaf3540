import ArgumentParser
import CLI
import System

/// How a command that did not succeed ends: one form of message, and the exit code.
extension SecretsBridge {
    /// Prints why the command ends. Returns the exit code.
    static func report(_ error: any Error) -> Int32 {
        if let signal = TerminationSignals.received {
            // Whatever failed, failed because of the signal.
            if !(error is ExitCode) { Console.note("interrupted; nothing was written") }
            return 128 + signal
        }
        switch error {
        case let error as CommandError:
            Console.error(error.description)
            return error.exitCode.rawValue
        case let code as ExitCode:
            return code.rawValue
        default:
            return reportParsing(error)
        }
    }

    /// What ArgumentParser throws: requests for help, which are no errors, and wrong usage.
    private static func reportParsing(_ error: any Error) -> Int32 {
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        guard code != .success else {
            print(text)
            return code.rawValue
        }
        let prefix = _errorPrefix
        let escaped = QuotedArguments.escape(CommandLine.arguments, in: text)
        let lines = escaped.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            if index == 0, line.hasPrefix(prefix) {
                Console.error(String(line.dropFirst(prefix.count)))
            } else {
                Console.errorLine(String(line))
            }
        }
        return code.rawValue
    }

    /// ArgumentParser reports a command that does not exist as an unexpected argument, and `help` does not report it.
    static func checkCommandName(_ arguments: [String]) throws {
        let names = configuration.subcommands.map { command in command._commandName }
        let words = arguments.first == "help" ? arguments.dropFirst() : arguments[...]
        guard let word = words.first, !word.hasPrefix("-"), word != "help", !names.contains(word) else {
            return
        }
        throw ValidationError(CommandSuggestion(program: _commandName, commands: names).message(for: word))
    }
}
