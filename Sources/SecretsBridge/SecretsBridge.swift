import ArgumentParser
import CLI
import Glibc
import Settings
import System

/// The program. This module holds the commands: argument parsing, the console, signals and child processes. The module CLI
/// holds the logic of the commands, which needs none of these.
@main
struct SecretsBridge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: Invocation.showsTypedName && Invocation.programName == Invocation.pluginName
            ? "kubectl wrappedsecret" : "secrets-bridge",
        abstract: "Keep Secrets in Git, wrapped by a key that never leaves the KMS.",
        discussion: """
            The environment configures the keys: SB_KMS_BACKEND and the settings of the backend.

              secrets-bridge wrap -n payments secret.yaml -w wrapped.yaml
              secrets-bridge create db.yaml -n payments
              secrets-bridge edit wrapped.yaml
              secrets-bridge status --all-namespaces

            Exit codes: 0 done; 1 failed, with one line on standard error; 64 wrong usage; 130 interrupted, 143 terminated.
            """,
        version: version,
        subcommands: [
            Wrap.self, Unwrap.self, Create.self, Edit.self, SetValues.self, UnsetValues.self,
            RotateValues.self,
            Exec.self, Move.self, Rewrap.self, RecipientCommand.self, Status.self, Inspect.self, Verify.self,
            Diff.self, Import.self,
            Doctor.self, GitDiff.self, GitTextconv.self, GitMerge.self, GitSetup.self, ControllerCommand.self,
            Version.self,
        ])

    static let version = "0.1.0"

    static func main() async {
        // Child programs start with these signal settings, so they are recorded before any change.
        InheritedSignals.record()
        InheritedDescriptors.record()
        // This memory will contain plaintext and keys; other processes must not read it.
        _ = hardenProcess()
        Environment.takeOwnVariables()
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

    /// Ends the process at once. exit(3) would run the exit handlers of libraries while other threads use what they destroy.
    private static func leave(_ code: Int32) -> Never {
        let lost = fflush(nil) == 0 ? Console.outputFailure : lastSystemError()
        if let lost { Console.error("cannot write the output: \(lost)") }
        let success = TerminationSignals.deferredSignal.map { 128 + $0 } ?? 0
        _exit(code != 0 ? code : lost != nil ? ExitCode.failure.rawValue : success)
    }
}

/// The name under which the program was started.
enum Invocation {
    static let pluginName = "kubectl-wrappedsecret"
    static let pluginCompletionName = "kubectl_complete-wrappedsecret"

    static let programName = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? ""

    /// True if help and messages show the name as a user types it. Completion scripts need a name of one word.
    static let showsTypedName = !CommandLine.arguments.contains {
        $0.hasPrefix("--generate-completion-script") || $0 == "--experimental-dump-help"
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() {
        print("secrets-bridge \(SecretsBridge.version)")
    }
}
