import ArgumentParser
import CLI
import Envelope
import KubeClient
import System

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wrap existing Secrets of a cluster, SealedSecrets, or files of SOPS.",
        discussion: """
            Reads Secrets from the API server, and writes WrappedSecret manifests to standard output, to one file, or to a \
            folder with a file for each. Secrets that another controller manages, service-account tokens and Secrets of Helm \
            are skipped unless they are named. To let the WrappedSecret take over a Secret: kubectl annotate secret NAME \
            secrets-bridge.io/allow=adopt

            The rule of .secrets-bridge.yaml for each file that is written gives scope, recipients, provider and labels; \
            options override it.

              secrets-bridge import -n payments db -w wrapped.yaml
              secrets-bridge import --all-namespaces --folder clusters/production

            With --sealed, reads SealedSecrets (bitnami.com) from files, and decrypts them with the private key of their \
            controller, without a cluster. Documents of other kinds are skipped. Nothing is written unless all SealedSecrets \
            can be decrypted and wrapped, and none of the output files exists. A file in a folder that is not YAML is \
            reported and skipped, and the exit code is 1.

              kubectl get secret -n kube-system -o yaml \\
                -l sealedsecrets.bitnami.com/sealed-secrets-key > keys.yaml
              secrets-bridge import --sealed clusters/ --sealing-key keys.yaml -w wrapped.yaml
              secrets-bridge import --sealed db.yaml --sealing-key key.pem --folder wrapped/

            With --sops, decrypts files with the program sops on the PATH, which has the keys: sops -d FILE has to succeed. \
            Keys and values become one Secret, with --namespace and --name; all of them have to be strings. Nothing is \
            written unless all files can be decrypted and wrapped, and none of the output files exists.

              secrets-bridge import --sops db.enc.yaml -w wrapped.yaml
              secrets-bridge import --sops prod.env -n payments --name db -w wrapped.yaml
            """)

    @Argument(help: "Names of Secrets. The default is all Secrets of the namespace.")
    var names: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var sealed: SealedSecretOptions

    @OptionGroup var sops: SopsOptions

    @OptionGroup var recipients: RecipientOptions

    @OptionGroup var provider: KeyRefOptions

    @OptionGroup var rules: RulesOptions

    @Option(
        name: .shortAndLong,
        help: "The namespace of the Secrets. With --sealed and --sops, that of those without one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(
        help: """
            The binding of the ciphertext: strict, namespace or cluster. (default: strict; with --sealed, that of the \
            SealedSecret)
            """)
    var scope: Scope?

    @Option(
        help: ArgumentHelp(
            """
            Write each manifest to NAMESPACE/NAME.yaml in this folder. Existing files are skipped; with --sealed and --sops, \
            they are an error.
            """, valueName: "path"),
        completion: .directory)
    var folder: String?

    @Option(name: .shortAndLong, help: "Write yaml or json, without --folder.")
    var output: OutputFormat = .yaml

    @OptionGroup var outputFile: OutputFileOptions

    private var isSealed: Bool { !sealed.sealed.isEmpty }

    /// A path beside the files that are written, or nil for standard output.
    private var rulePath: String? { folder.map { "\($0)/x.yaml" } ?? outputFile.rulePath }

    /// True if the Secrets are those of files, and not of a cluster.
    private var readsFiles: Bool { isSealed || sops.isGiven }

    func validate() throws {
        try provider.check(hasRules: rules.book().hasRulesFile(for: rulePath))
        try provider.check(with: recipients)
        guard folder != "" else {
            throw ValidationError("--folder is empty; give a path, such as . for the current folder")
        }
        if folder != nil, outputFile.outputFile != nil {
            throw ValidationError(
                "--folder writes one file for each Secret, and --output-file one for all; leave out one of the two"
            )
        }
        for name in names where (try? EnvelopeValidation.check(secretName: name)) == nil {
            throw ValidationError("\(name.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
        if isSealed, sops.isGiven { throw ValidationError("give --sealed or --sops, not both") }
        guard !readsFiles else {
            guard names.isEmpty, !cluster.isGiven else {
                throw ValidationError(
                    "--\(isSealed ? "sealed" : "sops") reads files; leave out names, --all-namespaces, --selector, "
                        + "--kubeconfig and --context")
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
        let file = try outputFile.open(.byUmask)
        let factory = WrapperFactory(
            namespace: namespace, scope: scope, provider: provider, cluster: cluster.access, rules: rules,
            recipients: recipients)
        // With rules, those of each file decide whether settings are needed.
        if folder == nil || !recipients.files.isEmpty || !rules.book().hasRulesFile(for: rulePath) {
            try await factory.loadKeys(for: rulePath)
        }
        let (secrets, isComplete) =
            isSealed
            ? try await sealed.wrap(namespace: namespace) { secret, scope throws(InputError) in
                try await factory.wrapper(
                    for: path(namespace: secret.namespace, name: secret.name), scope: scope, isBound: false)
            }
            : (try await sops.isGiven ? fromSops(factory) : fromCluster(factory), true)
        secrets.flatMap(\.notes).forEach(Console.note)
        if secrets.isEmpty {
            let kept = outputFile.outputFile.map { $0 == "-" ? "" : "; \($0) was not written" } ?? ""
            Console.note("there is nothing to import\(kept)")
        } else if let folder {
            try write(secrets, in: folder)
        } else {
            if let collision = ImportedSecret.pathCollision(in: secrets) { throw collision }
            try file.write(wrappedSecrets: secrets.map(\.manifest), as: output)
        }
        if isSealed { SealedSecretOptions.noteNextSteps(secrets) }
        if !isComplete { throw ExitCode.failure }
    }

    /// Returns the path of the file for a Secret, or nil for standard output.
    private func path(namespace: String?, name: String) -> String? {
        folder.map { "\($0)/\(ImportedSecret.relativePath(namespace: namespace, name: name))" }
            ?? outputFile.rulePath
    }

    private func fromSops(_ factory: WrapperFactory) async throws -> [ImportedSecret] {
        try await sops.wrap(namespace: namespace) { secret throws(InputError) in
            try await factory.wrapper(
                for: path(namespace: secret.namespace, name: secret.name), isBound: false)
        }
    }

    private func fromCluster(_ factory: WrapperFactory) async throws -> [ImportedSecret] {
        guard let selection = cluster.selection(namespace: namespace) else { return [] }
        let secretImport = ClusterImport(secrets: LiveSecretReader(try cluster.client()))
        let progress = ProgressLine(total: nil)
        defer { progress.finish() }
        return try await secretImport.wrap(
            selection, names: names,
            with: { ref throws(InputError) in
                try await factory.wrapper(for: path(namespace: ref.namespace, name: ref.name), isBound: false)
            },
            note: { note in progress.printAbove { Console.note(note) } },
            expect: progress.setTotal, advance: { progress.advance(by: 1) })
    }

    private func write(_ secrets: [ImportedSecret], in folder: String) throws {
        let result = ImportFolder(folder, existingFiles: readsFiles ? .fail : .skip).write(secrets)
        for path in result.skipped { Console.note("\(path) exists and was not written") }
        Console.errors(result.problems.map(\.description))
        guard result.problems.isEmpty else { throw ExitCode.failure }
        // The list is printed after all files are written: a closed pipe ends the program.
        result.written.forEach { Console.writeLine($0) }
    }
}
