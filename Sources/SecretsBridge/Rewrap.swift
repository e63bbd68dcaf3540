import ArgumentParser
import CLI
import Envelope
import KubeClient
import System

struct Rewrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Re-encrypt data keys under a newer key version, another key or another backend.",
        discussion: """
            Changes recipients only: values are not decrypted, and the rest of a file stays as it is. Without options, data \
            keys are re-encrypted under the newest version of the key that wrapped them, or under the backend's current key \
            if an earlier one wrapped them. A WrappedSecret that no configured key can unwrap is an error. A key that a \
            WrappedSecret lists is used only if it is configured. Rewrapping does not revoke access: anyone who had a value \
            or its data key still has it.

              secrets-bridge rewrap --dry-run clusters/           # show what would change
              secrets-bridge rewrap clusters/                     # files and folders
              secrets-bridge rewrap --all-namespaces              # a cluster
              secrets-bridge rewrap --check clusters/             # exit 1 if anything would change
              secrets-bridge rewrap --add-recipient aws-kms clusters/
              secrets-bridge rewrap --recipient keys/production.yaml clusters/
              secrets-bridge rewrap --remove-recipient vault-transit clusters/
              secrets-bridge rewrap --to aws-kms clusters/        # add one key and remove the others

            The rules of .secrets-bridge.yaml (--rules) say which recipients a file has: keys that a rule lists are added, \
            and others removed. --add-recipient, --remove-recipient and --to override them.

            It can be interrupted at any time, and continued by running it again. Exit codes: 0 done; 1 something failed, or \
            --check found something; 64 wrong usage; 130 interrupted, 143 terminated.
            """)

    @Argument(
        help: "Files, and folders, of which YAML and JSON files are rewrapped.",
        completion: manifestCompletion)
    var paths: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var providers: ProviderOptions

    @OptionGroup var rules: RulesOptions

    @Option(
        name: .shortAndLong,
        help:
            "With files, the namespace of WrappedSecrets without one. Otherwise the namespace of the cluster to rewrap.",
        transform: parseNamespace
    )
    var namespace: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Wrap for this configured key too. May be repeated.", valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var addRecipient: [KeySelector] = []

    @OptionGroup var recipients: RecipientOptions

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Remove this key, after a remaining key has unwrapped the data key. May be repeated.",
            valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var removeRecipient: [KeySelector] = []

    @Option(
        help: ArgumentHelp(
            "Wrap for this configured key, and remove all other configured keys.",
            valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var to: KeySelector?

    @Flag(help: "Send the requests to the KMS and show what would change, but write nothing.")
    var dryRun = false

    @Flag(help: "Like --dry-run, and exit 1 if anything would change.")
    var check = false

    @Flag(name: .shortAndLong, help: "Do not list changed WrappedSecrets.")
    var quiet = false

    func validate() throws {
        try checkNoStandardInput(paths)
        if to != nil, !(addRecipient + removeRecipient).isEmpty || !recipients.files.isEmpty {
            throw ValidationError(
                "--to adds and removes keys; leave out --add-recipient, --recipient and --remove-recipient")
        }
        if paths.isEmpty, cluster.selection(namespace: namespace) == nil {
            throw ValidationError("give files or folders; or, for a cluster, --all-namespaces or --namespace")
        }
        if !paths.isEmpty, cluster.allNamespaces || cluster.selector != nil {
            throw ValidationError("--all-namespaces and --selector are for a cluster; leave out the files")
        }
    }

    /// True if no option names recipients, so that files follow their rules.
    private var followsRules: Bool {
        to == nil && (addRecipient + removeRecipient).isEmpty && recipients.files.isEmpty
    }

    func run() async throws {
        let found = ManifestPaths(paths, cleansUp: !(dryRun || check))
        let book = rules.book()
        let ruleFiles = followsRules ? book.recipientFiles(forManifests: found.files) : []
        try recipients.checkPins(ruleFiles, records: !(dryRun || check))
        // The keys of the flags are the last ones.
        let keys = try providers.keys(namespace: namespace).adding(ruleFiles.map(\.key)).adding(
            try recipients.keys(beside: ruleFiles, records: !(dryRun || check)))
        let output: RewrapOutput
        let isInterrupted: Bool
        var problems: [InputError] = []
        let strategy = try await strategy(keys)
        if paths.isEmpty, let selection = cluster.selection(namespace: namespace) {
            let client = try cluster.client()
            output = RewrapOutput(total: nil, isQuiet: quiet, isDryRun: dryRun || check)
            // If an error is thrown, it is printed later, and must not be on the same line as the progress.
            defer { output.progress.finish() }
            let rewrapper = ClusterRewrapper(
                keys: keys, strategy: strategy, client: client, isDryRun: dryRun || check)
            isInterrupted = try await withSignalCancellation {
                try await rewrapper.rewrap(selection, expect: output.progress.setTotal) {
                    output.report($0, advance: $0.count)
                }
            }
            if output.counts.total == 0, !isInterrupted {
                try await client.requireNamespace(of: selection)
            }
        } else {
            output = RewrapOutput(total: found.files.count, isQuiet: quiet, isDryRun: dryRun || check)
            let rewrapper = FileRewrapper(
                keys: keys, strategy: strategy, namespace: namespace, isDryRun: dryRun || check,
                rules: book)
            // The files that contain a WrappedSecret or could not be read. A path without any is a problem.
            let reportedFiles = Locked<Set<String>>([])
            isInterrupted = try await withSignalCancellation {
                let files = await rewrapper.rewrap(found.files) { output.report($0) }
                reportedFiles.withLock { $0 = files }
            }
            problems = found.problems
            if !isInterrupted {
                problems += found.emptyPathProblems(withoutAnyOf: reportedFiles.withLock { $0 })
            }
        }
        output.finish(problems, removed: isInterrupted ? [] : removeRecipient)
        if isInterrupted {
            Console.note(
                "interrupted: WrappedSecrets that are not listed were not processed; run it again to continue"
            )
            // 128 plus SIGINT. After another signal, the program exits with 128 plus its number (`CommandError`).
            throw ExitCode(130)
        }
        let counts = output.counts
        let failures = counts.failed + counts.unreadableFiles + counts.breakingRules
        if !problems.isEmpty || failures > 0 || (check && counts.changed > 0) {
            throw ExitCode.failure
        }
    }

    /// Returns the changes that the options ask for. Resolves the ids of the configured keys first, because recipients
    /// are found by them.
    private func strategy(_ keys: KeyRing) async throws -> RewrapStrategy {
        for key in keys.all {
            do throws(KeyManagerError) {
                try await (key as? any DiagnosableKeyManager)?.resolveKeyID()
            } catch {
                // A user who may re-encrypt may lack the permission to look up the id, which only new recipients need.
                guard error.code == .accessDenied, to == nil, addRecipient.isEmpty else {
                    throw CommandError(error)
                }
            }
        }
        if let to { return .move(to: try to.index(in: keys, option: "--to")) }
        let files = keys.all.indices.suffix(recipients.files.count)
        guard !(addRecipient + removeRecipient).isEmpty || !files.isEmpty else { return .refresh }
        return .change(
            adding: try addRecipient.map { try $0.index(in: keys, option: "--add-recipient") } + files,
            removing: removeRecipient)
    }
}
