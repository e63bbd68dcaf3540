import ArgumentParser
import CLI
import JSON
import KubeClient
import Resources

struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Compare WrappedSecrets in files with a cluster, or those of two commits, without showing values.",
        discussion: """
            Lists the entries, labels and annotations that would be added (+), removed (-) or changed (~). A note explains \
            why the controller would not write them. Entries of other writers are listed only if the WrappedSecret owns the \
            whole Secret: creationPolicy Merge leaves them alone. Requires permission to read the Secrets.

            With --git, lists the WrappedSecrets that differ between two commits of this repository, for a review: entries, \
            recipients and fields. Without --open it uses no key and cannot tell which values changed, because all are \
            encrypted again whenever one changes. BASE..HEAD compares the two commits; BASE...HEAD compares HEAD with the \
            last commit that it has in common with BASE, as a pull request does. Exit codes: 0 nothing differs, or with \
            --git and without --exit-code; 1 something differs; 2 failed; 64 wrong usage.

              secrets-bridge diff clusters/production/
              secrets-bridge diff -o json clusters/production/
              secrets-bridge diff --git origin/main...HEAD -o markdown
            """)

    @Argument(
        help: """
            Files, and folders, of which YAML and JSON files are read. - is standard input. With --git, files and folders of \
            the commits; the default is all.
            """,
        completion: manifestCompletion)
    var paths: [String] = []

    @Option(
        help: ArgumentHelp("Compare two commits instead of files and a cluster.", valueName: "base..head"),
        transform: parseRevisionRange)
    var git: RevisionRange?

    @Flag(help: "With --git, decrypt both versions to tell which values changed.")
    var open = false

    @Flag(help: "With --git, exit with 1 if a WrappedSecret differs.")
    var exitCode = false

    @OptionGroup var cluster: ClusterAccess

    @OptionGroup var providers: ProviderOptions

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets without one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(help: "Compare the WrappedSecrets with this name only.")
    var name: String?

    @Option(name: .shortAndLong, help: "Write text, json or yaml, or with --git also markdown.")
    var output: DiffFormat = .text

    func validate() throws {
        if git == nil {
            guard !paths.isEmpty else { throw ValidationError("give files or folders, or --git") }
            if output == .markdown { throw ValidationError("-o markdown needs --git") }
            if open || exitCode { throw ValidationError("--open and --exit-code need --git") }
        } else {
            if name != nil { throw ValidationError("--git takes no --name") }
            try checkNoStandardInput(paths)
        }
    }

    func run() async throws {
        if let git { return try await review(git) }
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

    private func review(_ range: RevisionRange) async throws {
        let differs: Bool
        do {
            differs = try await GitReview(
                range: range, paths: paths, namespace: namespace, output: output,
                keys: open ? try providers.keys(namespace: namespace) : nil
            ).run()
        } catch {
            throw CommandError("\(error)", exitCode: ExitCode(2))
        }
        if differs, exitCode { throw ExitCode.failure }
    }
}

@Sendable private func parseRevisionRange(_ text: String) throws -> RevisionRange {
    do throws(InputError) {
        return try RevisionRange(text)
    } catch {
        throw ValidationError(error.description)
    }
}
