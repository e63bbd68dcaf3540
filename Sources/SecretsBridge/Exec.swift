import ArgumentParser
import CLI
import Cryptography
import Envelope
import Glibc
import KMS
import System

struct Exec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program with the values of a WrappedSecret in its environment.",
        discussion: """
            The program replaces this one, with the signals that this one was started with and without the variables SB_*. The entries that --only names, or all of them \
            with --all, become variables under their own names; a user who may look into the process \
            (/proc/PID/environ) sees them. A writer of the file chooses what --all passes, so --all refuses \
            entries that decide which programs run, what they load or whom they talk to (PATH, LD_*, BASH_ENV, GIT_*, \
            PYTHON*, NODE_OPTIONS, MAKEFLAGS, KUBECONFIG, *_PROXY and such), unless --only names them too. No such list \
            is complete: prefer --only. The program is found on the PATH of before. Exit codes: the program's; 126 it \
            cannot be run; 127 it does not exist; 1 failed before; 64 wrong usage.

              secrets-bridge exec db.yaml --only USER,PASSWORD -- ./migrate --dry-run
              secrets-bridge exec db.yaml --all -- ./server
            """)

    @OptionGroup var document: DocumentOptions

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Pass these entries; with --all, those that it would refuse. May be repeated.",
            valueName: "entry,..."))
    var only: [String] = []

    @Flag(help: "Pass all entries.")
    var all = false

    @Argument(parsing: .postTerminator, help: "The program, found on the PATH, and its arguments, after --.")
    var command: [String]

    func validate() throws {
        if command.isEmpty { throw ValidationError("give the program to run, after --") }
    }

    func run() async throws {
        let variables: [SharedSecret]
        do {
            guard let choice = EnvironmentEntries.EntrySelection(only: only, all: all) else {
                // The names need no key.
                let error = EnvironmentEntries.missingSelection(
                    try document.entryNames(), document: document.arguments, program: command)
                Console.error(error.description)
                throw ExitCode.validationFailure
            }
            let opened = try await document.open(with: try keys())
            variables = try EnvironmentEntries.variables(opened.entries, choice, source: document.file)
        } catch let error as InputError {
            throw CommandError(error)
        }
        let program = try path(of: command[0])
        // Our own settings, a master key among them, are no business of the program's.
        let inherited = inheritableEnvironment()
        clearenv()
        for (name, value) in inherited { setenv(name, value, 1) }
        // They live until the program takes this one's place.
        for variable in variables {
            let copied = variable.bytes.withUnsafeBytes { bytes in
                bytes.bindMemory(to: CChar.self).baseAddress.flatMap { strdup($0) }
            }
            if let copied { putenv(copied) }
        }
        let arguments = command.map { strdup($0) } + [nil]
        InheritedSignals.restore()
        execvp(program, arguments)
        throw failure(126, lastSystemError())
    }

    /// As a shell looks for it, before the values are variables.
    private func path(of program: String) throws -> String {
        do throws(ProgramSearch.SearchError) {
            return try ProgramSearch.path(of: program, in: Environment.process.value("PATH"))
        } catch {
            switch error {
            case .notFound: throw failure(127, "there is no such program on the PATH")
            case .notExecutable(let why): throw failure(126, why)
            }
        }
    }

    /// The exit codes that shells have for it.
    private func failure(_ code: Int32, _ why: String) -> ExitCode {
        Console.error("cannot run \(command[0]): \(why)")
        return ExitCode(code)
    }

    private func keys() throws(InputError) -> KeyRing {
        do {
            return try loadKeys()
        } catch {
            throw InputError("\(error)")
        }
    }
}
