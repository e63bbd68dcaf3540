import ArgumentParser
import CLI
import Envelope
import KubeClient
import System

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wrap Secrets that a cluster has already, or SealedSecrets.",
        discussion: """
            Reads them from the API server, and writes WrappedSecret manifests to standard output, into one file, or, \
            a file each, into a folder. Secrets that somebody else makes (a controller's, service-account tokens, Helm's) are left \
            out, unless they are named. To let the WrappedSecret take over: kubectl annotate secret NAME \
            secrets-bridge.io/allow=adopt

              secrets-bridge import -n payments db -w wrapped.yaml
              secrets-bridge import --all-namespaces --folder clusters/production

            With --sealed it reads SealedSecrets (bitnami.com) from files, opens them with the private key of their \
            controller, and asks no cluster. Documents of other kinds are passed over. Nothing is written unless all \
            of them could be opened and wrapped, and none of their files is there. A file of a folder that is not \
            YAML is named and passed over, and the exit code is 1.

              kubectl get secret -n kube-system -o yaml \\
                -l sealedsecrets.bitnami.com/sealed-secrets-key > keys.yaml
              secrets-bridge import --sealed clusters/ --sealing-key keys.yaml -w wrapped.yaml
              secrets-bridge import --sealed db.yaml --sealing-key key.pem --folder wrapped/
            """)

    @Argument(help: "Names of Secrets; none: all of the namespace.")
    var names: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var sealed: SealedSecretOptions

    @Option(
        name: .shortAndLong, help: "The namespace; with --sealed, of SealedSecrets that do not say it.",
        transform: parseNamespace)
    var namespace: String?

    @Option(
        help: """
            What the ciphertext is bound to: strict, namespace or cluster. (default: strict; with --sealed, what it \
            was sealed for)
            """)
    var scope: Scope?

    @Option(
        help: ArgumentHelp(
            """
            Write a file for each, NAMESPACE/NAME.yaml; those that are there are left; with --sealed, they are an \
            error.
            """, valueName: "path"),
        completion: .directory)
    var folder: String?

    @Option(name: .shortAndLong, help: "Without --folder: write yaml or json.")
    var output: OutputFormat = .yaml

    @OptionGroup var outputFile: OutputFileOptions

    private var isSealed: Bool { !sealed.sealed.isEmpty }

    func validate() throws {
        guard folder != "" else {
            throw ValidationError("--folder is empty; give a path, . is the folder that you are in")
        }
        if folder != nil, outputFile.outputFile != nil {
            throw ValidationError(
                "--folder writes a file for each, --output-file one for all; leave out one of the two")
        }
        for name in names where (try? EnvelopeValidation.check(secretName: name)) == nil {
            throw ValidationError("\(name.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
        guard !isSealed else {
            guard names.isEmpty, !cluster.isGiven else {
                throw ValidationError(
                    "--sealed reads files; leave out names, --all-namespaces, --selector, --kubeconfig and --context"
                )
            }
            return
        }
        if cluster.selection(namespace: namespace) == nil {
            throw ValidationError("give --namespace or --all-namespaces")
        }
        if !names.isEmpty, namespace == nil || cluster.selector != nil {
            throw ValidationError("names need --namespace, and no --selector")
        }
    }

    func run() async throws {
        do {
            let file = try outputFile.open(.byUmask)
            let (secrets, isComplete) =
                isSealed
                ? try await sealed.wrap(scope: scope, namespace: namespace) : (try await fromCluster(), true)
            secrets.flatMap(\.notes).forEach(Console.note)
            if secrets.isEmpty {
                let kept = outputFile.outputFile.map { $0 == "-" ? "" : "; \($0) was left as it is" } ?? ""
                Console.note("there is nothing to import\(kept)")
            } else if let folder {
                try write(secrets, in: folder)
            } else {
                try file.write(secrets.map(\.manifest), as: output)
            }
            if isSealed { SealedSecretOptions.noteNextSteps(secrets) }
            if !isComplete { throw ExitCode.failure }
        } catch let error as InputError {
            throw CommandError(error)
        }
    }

    private func fromCluster() async throws -> [ImportedSecret] {
        guard let selection = cluster.selection(namespace: namespace) else { return [] }
        let secretImport = ClusterImport(
            secrets: LiveSecretReader(try cluster.client()), keys: try loadKeys(), scope: scope ?? .strict)
        let progress = ProgressLine(total: nil)
        defer { progress.finish() }
        return try await secretImport.wrap(
            selection, names: names, note: { note in progress.printAbove { Console.note(note) } },
            expect: progress.setTotal, advance: { progress.advance(by: 1) })
    }

    private func write(_ secrets: [ImportedSecret], in folder: String) throws {
        let result = ImportFolder(folder, whatIsThere: isSealed ? .fail : .skip).write(secrets)
        for path in result.skipped { Console.note("\(path) is there and was left as it is") }
        Console.errors(result.problems.map(\.description))
        guard result.problems.isEmpty else { throw ExitCode.failure }
        // Not before all of them are there: a pipe that is closed ends the program.
        result.written.forEach { Console.writeLine($0) }
    }
}
