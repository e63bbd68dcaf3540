import ArgumentParser
import CLI
import Envelope
import KubeClient
import System

struct Rewrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wrap data keys anew: for a newer version, another key, or another backend.",
        discussion: """
            Changes recipients and nothing else: values are not decrypted, and in files every other byte stays. \
            Without an option, what the configured keys wrapped goes to their newest version, and what an \
            earlier key of a backend wrapped, to the backend's present one. A row that no configured key may open has \
            failed. It never wraps for a key only because a row lists it. It does not revoke: whoever had a value or \
            its data key still has it.

              secrets-bridge rewrap --dry-run clusters/           # what would be done
              secrets-bridge rewrap clusters/                     # files and folders
              secrets-bridge rewrap --all-namespaces              # a cluster
              secrets-bridge rewrap --check clusters/             # exit 1 if rows are left
              secrets-bridge rewrap --add-recipient aws-kms clusters/
              secrets-bridge rewrap --remove-recipient vault-transit clusters/
              secrets-bridge rewrap --to aws-kms clusters/        # both at once

            It can be interrupted at any time; run it again to go on. Exit codes: 0 done; 1 something failed, or \
            --check found something; 64 wrong usage; 130 interrupted, 143 terminated.
            """)

    @Argument(
        help: "Files, and folders whose YAML and JSON files are taken.", completion: manifestCompletion)
    var paths: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(
        name: .shortAndLong,
        help:
            "Of files: the namespace of those that do not say it. Without files: that namespace of the cluster.",
        transform: parseNamespace
    )
    var namespace: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Wrap for this configured key too. May be repeated.", valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var addRecipient: [KeySelector] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Remove this key, after proof that one that stays opens the row. May be repeated.",
            valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var removeRecipient: [KeySelector] = []

    @Option(
        help: ArgumentHelp(
            "Put this configured key in the place of all others that are configured.",
            valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var to: KeySelector?

    @Flag(help: "Ask the KMS, say what would be done, and write nothing.")
    var dryRun = false

    @Flag(help: "As --dry-run, and exit 1 if there is anything to do.")
    var check = false

    @Flag(name: .shortAndLong, help: "Do not list what was moved.")
    var quiet = false

    func validate() throws {
        try checkNoStandardInput(paths)
        if to != nil, !(addRecipient + removeRecipient).isEmpty {
            throw ValidationError("--to is both at once; leave out --add-recipient and --remove-recipient")
        }
        if paths.isEmpty, cluster.selection(namespace: namespace) == nil {
            throw ValidationError("give files or folders; or, for a cluster, --all-namespaces or --namespace")
        }
        if !paths.isEmpty, cluster.allNamespaces || cluster.selector != nil {
            throw ValidationError("--all-namespaces and --selector are for a cluster; leave out the files")
        }
    }

    func run() async throws {
        let keys = try loadKeys()
        let output: RewrapOutput
        let isInterrupted: Bool
        var problems: [InputError] = []
        do {
            let order = try await order(keys)
            if paths.isEmpty, let selection = cluster.selection(namespace: namespace) {
                let client = try cluster.client()
                output = RewrapOutput(total: nil, isQuiet: quiet, isDryRun: dryRun || check)
                // What the error says is not to stand behind it.
                defer { output.progress.finish() }
                let work = ClusterRewrapper(
                    keys: keys, order: order, client: client, isDryRun: dryRun || check)
                isInterrupted = try await withSignalCancellation {
                    try await work.rewrap(selection, expect: output.progress.setTotal) {
                        output.report($0, advance: $0.count)
                    }
                }
                if output.counts.total == 0, !isInterrupted {
                    try await client.requireNamespace(of: selection)
                }
            } else {
                let found = ManifestPaths(paths, cleansUp: !(dryRun || check))
                output = RewrapOutput(total: found.files.count, isQuiet: quiet, isDryRun: dryRun || check)
                let work = FileRewrapper(
                    keys: keys, order: order, namespace: namespace, isDryRun: dryRun || check)
                let eventful = Locked<Set<String>>([])
                isInterrupted = try await withSignalCancellation {
                    let all = await work.rewrap(found.files) { output.report($0) }
                    eventful.withLock { $0 = all }
                }
                problems = found.problems
                if !isInterrupted {
                    problems += found.emptyPathProblems(withoutAnyOf: eventful.withLock { $0 })
                }
            }
        } catch let error as InputError {
            throw CommandError(error)
        } catch let error as KubeError {
            throw CommandError(error.userMessage)
        }
        output.finish(problems, removed: isInterrupted ? [] : removeRecipient)
        if isInterrupted {
            Console.note("interrupted: what is not listed was not looked at; run it again to go on")
            throw ExitCode(130)
        }
        let counts = output.counts
        if !problems.isEmpty || counts.failed + counts.unreadableFiles > 0 || (check && counts.changed > 0) {
            throw ExitCode.failure
        }
    }

    private func order(_ keys: KeyRing) async throws -> RewrapStrategy {
        for key in keys.all {
            do throws(KeyManagerError) {
                try await key.resolveKeyID()
            } catch {
                // Who may only re-wrap need not know the key's id.
                guard error.code == .accessDenied, to == nil, addRecipient.isEmpty else {
                    throw CommandError(error)
                }
            }
        }
        if let to { return .move(to: try to.index(in: keys, option: "--to")) }
        guard !(addRecipient + removeRecipient).isEmpty else { return .refresh }
        return .change(
            adding: try addRecipient.map { try $0.index(in: keys, option: "--add-recipient") },
            removing: removeRecipient)
    }
}
