import ArgumentParser
import CLI
import Glibc
import System

@main
struct SecretsBridge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: Invocation.showsTypedName && Invocation.programName == Invocation.pluginName
            ? "kubectl wrappedsecret" : "secrets-bridge",
        abstract: "Keeps Secrets in Git, wrapped by a key that never leaves your KMS.",
        discussion: """
            Keys come from the environment: SB_KMS_BACKEND and the settings of the backend.

              secrets-bridge wrap -n payments secret.yaml -w wrapped.yaml
              secrets-bridge edit wrapped.yaml
              secrets-bridge status --all-namespaces

            Exit codes: 0 done; 1 failed, one line on standard error says why; 64 wrong usage; 130 interrupted, 143 \
            terminated.
            """,
        version: version,
        subcommands: [
            Wrap.self, Unwrap.self, Edit.self, SetValues.self, UnsetValues.self, RotateValues.self, Exec.self,
            Rewrap.self, Status.self, Inspect.self, Verify.self, Diff.self, Import.self, Doctor.self,
            GitDiff.self, GitTextconv.self, ControllerCommand.self, Version.self,
        ])

    static let version = "0.1.0"

    static func main() async {
        // Before anything changes them: programs that we start begin with them.
        InheritedSignals.record()
        // Plaintext and keys are in this memory; nobody else is to read it.
        _ = hardenProcess()
        TerminalInput.setReadHandler { Console.note("reading from the terminal; end with Ctrl-D") }
        Warnings.setHandler { Console.warning($0) }
        do {
            if Invocation.programName == Invocation.pluginCompletionName {
                print(try pluginCompletion(Array(CommandLine.arguments.dropFirst())), terminator: "")
                leave(0)
            }
            try checkCommandName(Array(CommandLine.arguments.dropFirst()))
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            leave(0)
        } catch {
            leave(report(error))
        }
    }

    /// Ends the process at once. libcurl's threads may be inside OpenSSL, whose state exit(3) takes down beneath them.
    private static func leave(_ code: Int32) -> Never {
        let lost = fflush(nil) == 0 ? Console.outputFailure : lastSystemError()
        if let lost { Console.error("cannot write the output: \(lost)") }
        _exit(lost != nil && code == 0 ? ExitCode.failure.rawValue : code)
    }
}

/// The name that the program was started by, and those that mean something.
enum Invocation {
    static let pluginName = "kubectl-wrappedsecret"
    static let pluginCompletionName = "kubectl_complete-wrappedsecret"

    static let programName = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? ""

    /// Whether messages show the command as it was typed. In what shells and programs read, it is one word.
    static let showsTypedName = !CommandLine.arguments.contains {
        $0.hasPrefix("--generate-completion-script") || $0 == "--experimental-dump-help"
    }
}

/// A command failed; the line says why and what to do.
struct CommandError: Error, CustomStringConvertible {
    let description: String
    let exitCode: ExitCode

    init(_ error: some Error & CustomStringConvertible) {
        self.init(
            error.description,
            exitCode: (error as? InputError)?.isUsage == true ? .validationFailure : .failure)
    }

    /// Invisible characters, as those of names out of files, become escapes: it stays one line.
    init(_ description: String, exitCode: ExitCode = .failure) {
        self.description = description.escapingInvisibleCharacters
        self.exitCode = exitCode
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() {
        print("secrets-bridge \(SecretsBridge.version)")
    }
}
