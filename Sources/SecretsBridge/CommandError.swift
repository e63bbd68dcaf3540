import ArgumentParser
import CLI
import Controller
import Envelope
import KMS
import KubeClient
import Settings
import System

/// The error of a command: one line with the problem and its remedy.
struct CommandError: Error, CustomStringConvertible {
    let description: String
    let exitCode: ExitCode

    init(_ error: some Error & CustomStringConvertible) {
        self.init(
            error.description,
            exitCode: (error as? InputError)?.isUsage == true ? .validationFailure : .failure)
    }

    /// Escapes invisible characters, which names from files may contain, so that the message is one line.
    init(_ description: String, exitCode: ExitCode = .failure) {
        self.description = description.escapingInvisibleCharacters
        self.exitCode = exitCode
    }
}

/// The keys of the settings, once they are loaded: the process does not keep the settings that are keys themselves.
private let loadedKeys = Locked<KeyRing?>(nil)

/// Returns the keys of the settings. All calls of a process have the same arguments.
func loadKeys(
    for user: ProgramMode = .commandLine, observer: (any KeyManagerObserver)? = nil,
    warn: @escaping @Sendable (String) -> Void = { Console.note($0) }
) throws -> KeyRing {
    try loadedKeys.withLock { loaded throws(CommandError) in
        if let loaded { return loaded }
        do throws(SettingError) {
            let keys = try KeyRing.load(from: .process, for: user, observer: observer, warn: warn)
            loaded = keys
            return keys
        } catch {
            throw CommandError(error)
        }
    }
}

extension SecretsBridge {
    /// Prints an error that ends the command.
    ///
    /// - Returns: The exit code.
    static func report(_ error: any Error) -> Int32 {
        if let signal = TerminationSignals.received {
            // The signal caused the error.
            if !(error is ExitCode) { Console.note("interrupted; nothing was written") }
            return 128 + signal
        }
        switch error {
        case let error as CommandError:
            Console.error(error.description)
            return error.exitCode.rawValue
        case let error as InputError:
            return report(CommandError(error))
        case let error as KubeError:
            return report(CommandError(error.userMessage))
        case let error as LeaseLost:
            return report(CommandError(error))
        case let code as ExitCode:
            return code.rawValue
        default:
            return reportParsing(error)
        }
    }

    /// Prints what ArgumentParser throws: help and version, which are not errors, and wrong usage.
    private static func reportParsing(_ error: any Error) -> Int32 {
        let code = exitCode(for: error)
        var text = fullMessage(for: error)
        guard code != .success else {
            print(text)
            return code.rawValue
        }
        // `validate()` comes before ArgumentParser's own check, and misses the value of a mistyped option.
        let problem = message(for: error)
        if !problem.isEmpty, !problem.hasPrefix("Unknown option"), !problem.hasPrefix("Missing value for"),
            let option = unknownOption(in: CommandLine.arguments)
        {
            text = text.replacing(problem, with: "Unknown option '\(option)'", maxReplacements: 1)
        }
        let prefix = _errorPrefix
        let redacted = MisplacedArguments.redact(MisplacedArguments.own, in: text)
        let escaped = QuotedArguments.escape(CommandLine.arguments, in: redacted)
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

    /// Rejects unknown commands, which ArgumentParser reports as unexpected arguments, or not at all after `help`.
    static func checkCommandName(_ arguments: [String]) throws {
        let names = configuration.subcommands.map { command in command._commandName }
        let words = arguments.first == "help" ? arguments.dropFirst() : arguments[...]
        guard let word = words.first, !word.hasPrefix("-"), word != "help", !names.contains(word) else {
            return
        }
        throw ValidationError(CommandSuggestion(program: _commandName, commands: names).message(for: word))
    }
}
