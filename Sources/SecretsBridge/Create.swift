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
        let secret = try await edit(in: folder, wrapper, output)
        DocumentOptions.printDifference(ValueDifference(from: [], to: secret.entries))
    }

    /// Checks that the file does not exist and can be created, before the user types values.
    private func newFile() throws(InputError) -> OutputFile {
        guard !exists else {
            throw InputError(
                "\(file) exists already and was not changed; give another path, or change its values: secrets-bridge edit "
                    + file.shellQuotedPath)
        }
        do throws(FileError) {
            return try OutputFile(file, permissions: .byUmask)
        } catch {
            throw ManifestOutput.failure(file, error)
        }
    }

    private var exists: Bool {
        guard let kind = try? FileKind(of: file) else { return false }
        return kind != .missing
    }

    private func write(_ wrapped: SecretWrapper.Output, to output: OutputFile) throws(InputError) {
        do throws(FileError) {
            if file.hasSuffix(".json") {
                try output.write(OutputFormat.json.text([wrapped.manifest]))
            } else {
                try output.write(NewManifest.yaml([wrapped.manifest]))
            }
        } catch {
            guard !exists else {
                throw InputError(
                    "\(file): another process created it meanwhile, and it was not changed; move it to another path, or give up "
                        + "and change its values: secrets-bridge edit \(file.shellQuotedPath)")
            }
            throw ManifestOutput.failure(file, error)
        }
    }

    /// Runs the editor until the Secret is wrapped and written, or the user gives up.
    private func edit(
        in folder: PrivateFolder, _ wrapper: SecretWrapper, _ output: OutputFile
    ) async throws -> SecretInput {
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
                try write(wrapped, to: output)
                wrapped.notes.forEach(Console.note)
                return secret
            } catch {
                if TerminationSignals.received != nil { throw error }
                // The text survives a mistake, a KMS that cannot be reached, and a file that cannot be written.
                guard Prompt.confirm("\(error)\nPress Enter to edit again, or q to give up: ") else {
                    throw error
                }
            }
        }
    }
}
