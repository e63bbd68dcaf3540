import ArgumentParser
import CLI
import Cryptography
import Envelope
import Glibc
import KMS
import Settings
import System

struct Exec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program with the values of a WrappedSecret in its environment.",
        discussion: """
            The program replaces this process. It inherits the signal settings, and the environment without the variables \
            SB_*. The entries in --only, or all entries with --all, become variables with the same names, which users who \
            may inspect the process can read (/proc/PID/environ). A writer of the file decides what --all passes. So --all \
            rejects entries that decide which programs run, what they load or which servers they use (PATH, LD_*, \
            BASH_ENV, GIT_*, PYTHON*, NODE_OPTIONS, MAKEFLAGS, KUBECONFIG, *_PROXY and such), unless --only lists them too. \
            No such list is complete: prefer --only. The program is found on the PATH of this process. Exit codes: the \
            program's; 126 it cannot be run; 127 it does not exist; 1 failed before; 64 wrong usage.

              secrets-bridge exec db.yaml --only USER,PASSWORD -- ./migrate --dry-run
              secrets-bridge exec db.yaml --all -- ./server
            """)

    @OptionGroup var document: DocumentOptions

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Pass these entries. With --all, also pass these, which it would reject. May be repeated.",
            valueName: "entry,..."))
    var only: [String] = []

    @Flag(help: "Pass all entries.")
    var all = false

    @Argument(parsing: .postTerminator, help: "The program, found on the PATH, and its arguments, after --.")
    var command: [String]

    func validate() throws {
        guard let program = command.first else { throw ValidationError("give the program to run, after --") }
        // Shells take such words before a program for variables. The value may be a secret, and is not printed.
        if let sign = program.firstIndex(of: "="), !program[..<sign].contains("/") {
            throw ValidationError(
                "the first argument after -- is a variable and not a program; write it before secrets-bridge, or run the "
                    + "program with env")
        }
    }

    func run() async throws {
        guard let choice = EnvironmentEntries.EntrySelection(only: only, all: all) else {
            // Listing the names requires no key.
            let error = EnvironmentEntries.missingSelection(
                try document.entryNames(), document: document.arguments, program: command)
            Console.error(error.description)
            throw ExitCode.validationFailure
        }
        let opened = try await document.open(with: try document.keys())
        let variables = try EnvironmentEntries.variables(opened.entries, choice, source: document.file)
        let program = try path(of: command[0])
        // The program must not see the settings of Secrets Bridge, which may contain a master key.
        let inherited = inheritableEnvironment()
        clearenv()
        for (name, value) in inherited { setenv(name, value, 1) }
        // putenv(3) keeps the pointers; execvp(3) frees them with this process's memory.
        for variable in variables {
            let copied = variable.bytes.withUnsafeBytes { bytes in
                bytes.bindMemory(to: CChar.self).baseAddress.flatMap { strdup($0) }
            }
            if let copied { putenv(copied) }
        }
        let arguments = command.map { strdup($0) } + [nil]
        InheritedSignals.restore()
        InheritedDescriptors.closeOthersOnExec()
        execvp(program, arguments)
        throw failure(126, lastSystemError())
    }

    /// Finds the program as a shell does, before the values become variables.
    private func path(of program: String) throws -> String {
        do throws(ProgramSearch.SearchError) {
            return try ProgramSearch.path(of: program, in: Environment.process.value("PATH"))
        } catch {
            switch error {
            case .notFound: throw failure(127, "there is no such program on the PATH")
            case .notExecutable(let reason): throw failure(126, reason)
            }
        }
    }

    /// Reports that the program cannot be run, with the exit codes of shells.
    private func failure(_ code: Int32, _ reason: String) -> ExitCode {
        Console.error("cannot run \(command[0]): \(reason)")
        return ExitCode(code)
    }
}
