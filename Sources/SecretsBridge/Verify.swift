import ArgumentParser
import CLI
import Envelope

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check WrappedSecrets in files: that they keep the rules, and that they open.",
        discussion: """
            Unwraps each data key with every configured key that the row lists, checks the MAC and opens the values, \
            and shows none of them. With --offline, for CI and pre-commit hooks, only what needs no key is checked. \
            Documents of other kinds are passed over; a path without any WrappedSecret is a problem, unless --allow-none \
            is given. Exit codes: 0 all is well; 1 something is not, on standard error, a line each or summed up where \
            many are equal; 64 wrong usage.

              secrets-bridge verify --offline clusters/
              secrets-bridge verify -n payments db.yaml
              secrets-bridge verify -o json clusters/
              secrets-bridge verify --offline --allow-none --no-plaintext -- FILE...   # in a pre-commit hook
            """)

    @Argument(
        help: "Files, and folders whose YAML and JSON files are taken; - is standard input.",
        completion: manifestCompletion)
    var paths: [String] = []

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets that do not say it.",
        transform: parseNamespace)
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write text, json or yaml.")
    var output: ReportFormat = .text

    @Flag(help: "Use no key: check the structure alone.")
    var offline = false

    @Flag(
        help: """
            Pass over files without WrappedSecrets, and files that are not named .yaml, .yml or .json, also with an ending \
            behind (.yaml.bak): for the changed files of a commit.
            """)
    var allowNone = false

    @Flag(help: "Report Secrets that are not encrypted.")
    var noPlaintext = false

    func validate() throws {
        guard allowNone || !paths.isEmpty else { throw ValidationError("give files or folders") }
    }

    func run() async throws {
        let verification = Verification(keys: offline ? nil : try loadKeys(), namespace: namespace)
        let files = WrappedSecretFiles(
            reading: paths, .init(allowsNone: allowNone, allowsPlaintext: !noPlaintext))
        let progress = ProgressLine(total: files.documents.count)
        let result = await verification.verify(files) { progress.advance(by: 1) }
        progress.finish()
        try output.structuredFormat?.write([result.value])
        result.notes.forEach(Console.note)
        Console.errors(result.problems)
        // Of nothing there is nothing to sum up.
        guard result.count > 0 || result.problems.isEmpty else { throw ExitCode.failure }
        guard output == .text else {
            if !result.problems.isEmpty { throw ExitCode.failure }
            return
        }
        let good = offline ? "keep the rules (not opened: --offline)" : "open"
        Console.writeLine(StyledText(result.summary(good), result.problems.isEmpty ? .green : .red))
        if !result.problems.isEmpty { throw ExitCode.failure }
    }
}
