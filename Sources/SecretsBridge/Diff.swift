import ArgumentParser
import CLI
import JSON
import KubeClient
import Resources

struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare WrappedSecrets in files with the Secrets of a cluster, without showing values.",
        discussion: """
            Lists the entries, labels and annotations that would be added (+), removed (-) or changed (~). A note explains \
            why the controller would not write them. Entries of other writers are listed only if the WrappedSecret owns the \
            whole Secret: creationPolicy Merge leaves them alone. Requires permission to read the Secrets. Exit codes: 0 \
            nothing differs; 1 something differs; 2 failed; 64 wrong usage.

              secrets-bridge diff clusters/production/
              secrets-bridge diff -o json clusters/production/
            """)

    @Argument(
        help: "Files, and folders, of which YAML and JSON files are read. - is standard input.",
        completion: manifestCompletion)
    var paths: [String]

    @OptionGroup var cluster: ClusterAccess

    @OptionGroup var providers: ProviderOptions

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets without one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(help: "Compare the WrappedSecrets with this name only.")
    var name: String?

    @Option(name: .shortAndLong, help: "Write text, json or yaml.")
    var output: ReportFormat = .text

    func run() async throws {
        let files = WrappedSecretFiles(reading: paths)
        var problems = files.problems.map(\.description)
        var differences: [LiveDifference] = []
        do {
            let comparison = LiveComparison(
                keys: try providers.keys(namespace: namespace),
                secrets: LiveSecretReader(try cluster.client()), namespace: namespace,
                name: name)
            if let name, !files.documents.contains(where: { $0.object.metadata.name == name }) {
                problems.append("no WrappedSecret is named \(name)")
            }
            for file in files.files {
                do throws(InputError) {
                    let fileDifferences = try await comparison.differences(file)
                    if output == .text {
                        fileDifferences.flatMap(\.lines).forEach { Console.writeLine(StyledText(change: $0)) }
                        fileDifferences.flatMap(\.notes).forEach(Console.note)
                    }
                    differences += fileDifferences
                } catch {
                    problems.append(error.description)
                }
            }
        } catch {
            problems.append("\(error)")
        }
        try output.structuredFormat?.write([.array(differences.map(\.value))])
        Console.errors(problems)
        if !problems.isEmpty { throw ExitCode(2) }
        if !differences.isEmpty { throw ExitCode.failure }
    }
}
