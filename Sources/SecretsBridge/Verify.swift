import ArgumentParser
import CLI
import Cryptography
import Envelope
import Settings

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that WrappedSecrets in files are valid and can be decrypted.",
        discussion: """
            Unwraps each data key with every configured key that the WrappedSecret lists, checks the MAC and decrypts the \
            values, without showing them. Each WrappedSecret has to keep the rule of .secrets-bridge.yaml that holds for its \
            file: namespace, scope, recipients, provider and labels. With --offline, for CI and pre-commit hooks, only checks \
            that need no key run. Documents of other kinds are skipped. A path without any WrappedSecret is a problem, unless \
            --allow-none is given. Exit codes: 0 no problems; 1 problems, with a line for each on standard error, or a summary \
            of equal ones; 64 wrong usage.

              secrets-bridge verify --offline clusters/
              secrets-bridge verify -n payments db.yaml
              secrets-bridge verify -o json clusters/
              secrets-bridge verify --offline -o sarif . > secrets-bridge.sarif
              secrets-bridge verify --offline --allow-none --no-plaintext -- FILE...   # in a pre-commit hook
            """)

    @Argument(
        help: "Files, and folders, of which YAML and JSON files are read. - is standard input.",
        completion: manifestCompletion)
    var paths: [String] = []

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets without one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(name: .shortAndLong, help: "Write text, json, yaml, sarif (SARIF 2.1.0) or junit.")
    var output: VerifyFormat = .text

    @Flag(help: "Use no key, and check the structure only.")
    var offline = false

    @Flag(
        help: """
            Skip files without WrappedSecrets, and files that are not named .yaml, .yml or .json, even with a further \
            extension (.yaml.bak). Use it for the changed files of a commit.
            """)
    var allowNone = false

    @Flag(help: "Report Secrets that are not encrypted.")
    var noPlaintext = false

    @OptionGroup var providers: ProviderOptions

    @OptionGroup var rules: RulesOptions

    func validate() throws {
        guard allowNone || !paths.isEmpty else { throw ValidationError("give files or folders") }
    }

    func run() async throws {
        let verification = Verification(
            keys: offline ? nil : try providers.keys(namespace: namespace), namespace: namespace,
            rules: rules.book())
        let files = WrappedSecretFiles(
            reading: paths, .init(allowsNone: allowNone, allowsPlaintext: !noPlaintext))
        let progress = ProgressLine(total: files.documents.count)
        let result = await verification.verify(files) { progress.advance(by: 1) }
        progress.finish()
        try write(result)
        result.notes.forEach(Console.note)
        Console.errors(result.problems)
        // There is no summary if nothing was read.
        guard result.count > 0 || result.problems.isEmpty else { throw ExitCode.failure }
        guard output == .text else {
            if !result.problems.isEmpty { throw ExitCode.failure }
            return
        }
        let success = offline ? "keep the rules (not opened: --offline)" : "open"
        Console.writeLine(StyledText(result.summary(success), result.problems.isEmpty ? .green : .red))
        if !result.problems.isEmpty { throw ExitCode.failure }
    }

    /// Writes the result in the formats for programs.
    private func write(_ result: Verification.Report) throws {
        switch output {
        case .text: break
        case .json, .yaml: try output.structuredFormat?.write([result.value])
        case .sarif:
            let folder = Environment.process.value("PWD") ?? ""
            try OutputFormat.json.write([result.sarif(version: SecretsBridge.version, folder: folder)])
        case .junit: try Console.write(SecretBytes(copying: result.junit.utf8))
        }
    }
}
