import ArgumentParser
import CLI
import KubeClient
import Resources
import YAML

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show which keys WrappedSecrets depend on, and whether they are synced.",
        discussion: """
            Of a cluster, or of files. KEY is short; -o wide and json have the whole id. --by-key tells for every version of a key how many rows it wraps and how many \
            have no other: a key that wraps no row can be done without. No KMS is asked. Exit codes: 0 \
            done; 1 something cannot be told, a line each on standard error; 64 wrong usage.

              secrets-bridge status --all-namespaces
              secrets-bridge status --all-namespaces --by-key
              secrets-bridge status -n payments --key vault-transit --key-version 1
              secrets-bridge status --by-key clusters/
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, wide, json, yaml
    }

    @Argument(
        help: "Files, and folders whose YAML and JSON files are taken, instead of a cluster.",
        completion: manifestCompletion)
    var paths: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(name: .shortAndLong, help: "That namespace of the cluster.", transform: parseNamespace)
    var namespace: String?

    @Flag(help: "Sum up by key and version.")
    var byKey = false

    @Option(
        help: ArgumentHelp("Only those that list this key.", valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var key: KeySelector?

    @Option(help: "With --key: only those that list this version of it.")
    var keyVersion: String?

    @Option(name: .shortAndLong, help: "Write a table, a wide one, json or yaml.")
    var output: Format = .table

    func validate() throws {
        if let keyVersion {
            guard let key else { throw ValidationError("--key-version needs --key") }
            guard key.hasVersions else {
                throw ValidationError(
                    "--key-version: rows of \(key) show no version; those of vault-transit do")
            }
            guard let number = Int(keyVersion), number > 0, "\(number)" == keyVersion else {
                throw ValidationError("--key-version is \(keyVersion); a number is expected, as 2")
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
        var rows: [WrappedSecretSummary] = []
        var problems: [String] = []
        do {
            if let selection = cluster.selection(namespace: namespace), paths.isEmpty {
                let client = try cluster.client()
                var pager = ListPager<WrappedSecret>(client, selection)
                while let page = try await pager.nextPage() {
                    rows += page.items.map { WrappedSecretSummary($0) }
                }
                if rows.isEmpty { try await client.requireNamespace(of: selection) }
            } else {
                let files = WrappedSecretFiles(reading: paths)
                rows = files.documents.map { WrappedSecretSummary($0.object) }
                problems = files.problems.map(\.description)
            }
        } catch let error as KubeError {
            throw CommandError(error.userMessage)
        } catch let error as InputError {
            throw CommandError(error)
        }
        // Whoever asks for keys wants to know that none was missed.
        if byKey || key != nil { problems += rows.compactMap(\.unknownKeysNote) }
        if let key {
            let all = rows.count
            rows = rows.filter { $0.mayList(key, version: keyVersion) }
            if rows.isEmpty { Console.note("no row lists \(keyAndVersion(key)); \(all) were looked at") }
        }
        try write(rows)
        rows.compactMap(\.handoverAdvice).forEach(Console.note)
        Console.errors(problems)
        if !problems.isEmpty { throw ExitCode.failure }
    }

    private func keyAndVersion(_ key: KeySelector) -> String {
        keyVersion.map { "version \($0) of \(key)" } ?? "\(key)"
    }

    private func write(_ rows: [WrappedSecretSummary]) throws {
        let uses = byKey ? KeyUsage.count(rows) : []
        let value = JSONValue.array(byKey ? uses.map(\.value) : rows.map(\.value))
        switch output {
        case .json: try OutputFormat.json.write([value])
        case .yaml: try OutputFormat.yaml.write([value])
        case .table, .wide:
            let table =
                byKey ? KeyUsage.table(uses) : WrappedSecretSummary.table(rows, isWide: output == .wide)
            table.styledLines.forEach(Console.writeLine)
        }
    }
}
