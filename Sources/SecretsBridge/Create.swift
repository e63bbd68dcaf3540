import ArgumentParser
import CLI
import Cryptography
import Envelope
import Glibc
import KMS
import System

struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create a WrappedSecret in a new file, with values from the editor.",
        discussion: """
            Opens a Secret manifest to fill in, in VISUAL, EDITOR or vi, wraps it, and writes the file. The plaintext is \
            stored in a private folder in memory (in XDG_RUNTIME_DIR or /dev/shm) only, which is removed afterwards. The file \
            must not exist. If nothing is saved, there are no values, the editor fails, or the command is interrupted, it is \
            not created. Exit codes: 0 done; 1 failed, or no values were entered; 64 wrong usage; 130 interrupted, 143 \
            terminated.

              secrets-bridge create db.yaml -n payments
              secrets-bridge create web.yaml -n payments --name web --type kubernetes.io/basic-auth
            """)

    @Argument(help: "The file to create; .json for JSON.", completion: manifestCompletion)
    var file: String

    @Option(help: "The name of the WrappedSecret. (default: that of the file)")
    var name: String?

    @Option(name: .shortAndLong, help: "The namespace of the Secret.", transform: parseNamespace)
    var namespace: String?

    @Option(help: "The type of the Secret.")
    var type: String?

    @Option(
        help: """
            The binding of the ciphertext: strict (to namespace and name), namespace, or cluster (to neither; the controller \
            must allow it). (default: strict)
            """)
    var scope: Scope?

    @OptionGroup var metadata: SecretMetadataOptions

    @OptionGroup var recipients: RecipientOptions

    @OptionGroup var provider: KeyRefOptions

    @OptionGroup var cluster: ClusterAccess

    @OptionGroup var rules: RulesOptions

    func validate() throws {
        try provider.check(with: recipients)
        try provider.check(hasRules: rules.book().hasRulesFile(for: file))
        if DescriptorPath.isStream(file) || file == "" {
            throw ValidationError("create writes a new file; give its path")
        }
        if let name, (try? EnvelopeValidation.check(secretName: name)) == nil {
            throw ValidationError(
                "--name \(name.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
    }

    func run() async throws {
        // An earlier run that was killed may have left values.
        PrivateFolder.removeAbandoned(in: Editor.foldersInMemory)
        let output = try newFile()
        let wrapper = try await WrapperFactory(
            namespace: namespace, scope: scope, provider: provider, cluster: cluster, rules: rules,
            recipients: recipients
        ).wrapper(for: file)
        let folder: PrivateFolder
        do throws(FileError) {
            folder = try PrivateFolder(in: Editor.foldersInMemory)
        } catch {
            throw CommandError("cannot create a folder for the editor: \(error)")
        }
        // Signals end the editor first, and the folder is removed in any case.
        TerminationSignals.startRecording()
        signal(SIGPIPE, SIG_IGN)
        defer { folder.remove() }
        let (secret, wrapped) = try await edit(in: folder, wrapper)
        wrapped.notes.forEach(Console.note)
        try output.write(wrappedSecrets: [wrapped.manifest], as: file.hasSuffix(".json") ? .json : .yaml)
        DocumentOptions.printDifference(ValueDifference(from: [], to: secret.entries))
    }

    /// Checks that the file does not exist and can be created, before the user types values.
    private func newFile() throws -> ManifestOutput {
        do {
            guard case .missing = try FileKind(of: file) else {
                throw CommandError(
                    "\(file) exists already and was not changed; secrets-bridge edit \(file.shellQuotedPath) changes its values"
                )
            }
            return .file(try OutputFile(file, permissions: .byUmask), path: file)
        } catch let error as FileError {
            throw ManifestOutput.failure(file, error)
        }
    }

    /// Runs the editor until the Secret can be wrapped, or the user gives up.
    private func edit(
        in folder: PrivateFolder, _ wrapper: SecretWrapper
    ) async throws -> (SecretInput, SecretWrapper.Output) {
        let manifest = NewSecretManifest(path: file, name: name, namespace: namespace, type: type)
        let before = manifest.text
        let path = "\(folder.path)/values.yaml"
        do throws(FileError) {
            try folder.write(before, to: "values.yaml")
        } catch {
            throw CommandError("cannot write the manifest for the editor: \(error)")
        }
        while true {
            try Editor.run(on: path)
            do throws(InputError) {
                let after = try Editor.read(path)
                guard !after.equals(before) else {
                    throw InputError("\(file): nothing was entered; the file was not created")
                }
                let secret = try metadata.overrides().applied(to: [try manifest.secret(in: after)])[0]
                let wrapped = try await withRecordedSignalCancellation { () throws(InputError) in
                    try await wrapper.wrap(secret)
                }
                return (secret, wrapped)
            } catch {
                if TerminationSignals.received != nil { throw error }
                // The text survives a mistake, and a KMS that cannot be reached.
                guard Prompt.confirm("\(error)\nPress Enter to edit again, or q to give up: ") else {
                    throw error
                }
            }
        }
    }
}
