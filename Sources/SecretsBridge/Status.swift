import ArgumentParser
import CLI
import JSON
import KubeClient
import Resources

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the keys of WrappedSecrets, and whether they are synced.",
        discussion: """
            Reads the WrappedSecrets of a cluster or of files. KEY is abbreviated; -o wide and -o json show the whole id. \
            --by-key counts, for each version of a key, the WrappedSecrets that it wraps, and those that no other key wraps: \
            a key that wraps none can be removed. Sends no request to a KMS. Exit codes: 0 done; 1 incomplete, with a line \
            for each problem on standard error; 64 wrong usage.

              secrets-bridge status --all-namespaces
              secrets-bridge status --all-namespaces --by-key
              secrets-bridge status -n payments --key vault-transit --key-version 1
              secrets-bridge status --by-key clusters/
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, wide, json, yaml
    }

    @Argument(
        help: "Files, and folders, of which YAML and JSON files are read, instead of a cluster.",
        completion: manifestCompletion)
    var paths: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(name: .shortAndLong, help: "The namespace of the cluster.", transform: parseNamespace)
    var namespace: String?

    @Flag(help: "Summarize by key and version.")
    var byKey = false

    @Option(
        help: ArgumentHelp("Show only WrappedSecrets that list this key.", valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var key: KeySelector?

    @Option(help: "With --key, show only WrappedSecrets that list this version of it.")
    var keyVersion: String?

    @Option(name: .shortAndLong, help: "Write a table, a wide one, json or yaml.")
    var output: Format = .table

    func validate() throws {
        if let keyVersion {
            guard let key else { throw ValidationError("--key-version needs --key") }
            guard key.hasVersions else {
                throw ValidationError(
                    "--key-version: ciphertexts of \(key) have no version; those of vault-transit do")
            }
            guard let number = Int(keyVersion), number > 0, "\(number)" == keyVersion else {
                throw ValidationError("--key-version is \(keyVersion); give a number, such as 2")
            }
        }
        if paths.isEmpty, cluster.selection(namespace: namespace) == nil {
            throw ValidationError("give --all-namespaces or --namespace; or files or folders")
        }
        if !paths.isEmpty, cluster.allNamespaces || cluster.selector != nil || namespace != nil {
            throw ValidationError(
                "--all-namespaces, --namespace and --selector are for a cluster; leave out the files")
        }
    }

    func run() async throws {
        var wrappedSecrets: [WrappedSecretSummary] = []
        var problems: [String] = []
        if let selection = cluster.selection(namespace: namespace), paths.isEmpty {
            let client = try cluster.client()
            var pager = ListPager<WrappedSecret>(client, selection)
            while let page = try await pager.nextPage() {
                wrappedSecrets += page.items.map { WrappedSecretSummary($0) }
            }
            if wrappedSecrets.isEmpty { try await client.requireNamespace(of: selection) }
        } else {
            let files = WrappedSecretFiles(reading: paths)
            wrappedSecrets = files.documents.map { WrappedSecretSummary($0.object) }
            problems = files.problems.map(\.description)
        }
        // A report on keys must mention WrappedSecrets whose keys are uncertain.
        if byKey || key != nil { problems += wrappedSecrets.compactMap(\.unknownKeysNote) }
        if let key {
            let all = wrappedSecrets.count
            wrappedSecrets = wrappedSecrets.filter { $0.mayList(key, version: keyVersion) }
            if wrappedSecrets.isEmpty {
                Console.note("no WrappedSecret lists \(keyAndVersion(key)); \(all) were checked")
            }
        }
        try write(wrappedSecrets)
        wrappedSecrets.compactMap(\.handoverAdvice).forEach(Console.note)
        Console.errors(problems)
        if !problems.isEmpty { throw ExitCode.failure }
    }

    private func keyAndVersion(_ key: KeySelector) -> String {
        keyVersion.map { "version \($0) of \(key)" } ?? "\(key)"
    }

    private func write(_ wrappedSecrets: [WrappedSecretSummary]) throws {
        let uses = byKey ? KeyUsage.count(wrappedSecrets) : []
        let value = JSONValue.array(byKey ? uses.map(\.value) : wrappedSecrets.map(\.value))
        switch output {
        case .json: try OutputFormat.json.write([value])
        case .yaml: try OutputFormat.yaml.write([value])
        case .table, .wide:
            let table =
                byKey
                ? KeyUsage.table(uses) : WrappedSecretSummary.table(wrappedSecrets, isWide: output == .wide)
            table.styledLines.forEach(Console.writeLine)
        }
    }
}
