import ArgumentParser
import CLI
import KubeClient

struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare WrappedSecrets in files with the Secrets of a cluster, without showing values.",
        discussion: """
            Names entries that would come (+), go (-) or change (~). Needs the right to read the Secrets. Exit codes: \
            0 nothing differs; 1 something does; 2 failed; 64 wrong usage.

              secrets-bridge diff clusters/production/
            """)

    @Argument(help: "Files, and folders whose YAML and JSON files are taken; - is standard input.")
    var paths: [String]

    @OptionGroup var cluster: ClusterAccess

    @Option(name: .shortAndLong, help: "The namespace of WrappedSecrets that do not say it.")
    var namespace: String?

    func run() async throws {
        var lines: [String] = []
        do {
            let comparison = LiveComparison(
                keys: try loadKeys(), secrets: LiveSecrets(try cluster.client()), namespace: namespace)
            for path in try ManifestPaths.files(paths) {
                lines += try await comparison.lines(try WrappedSecretFile(reading: path))
            }
        } catch {
            Console.error("\(error)")
            throw ExitCode(2)
        }
        lines.forEach(Console.say)
        if !lines.isEmpty { throw ExitCode.failure }
    }
}
