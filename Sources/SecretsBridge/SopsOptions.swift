import ArgumentParser
import CLI
import Envelope
import System

/// The files that SOPS encrypted, to import instead of Secrets from a cluster.
struct SopsOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            """
            Import this file, or those of a folder, after decrypting them with your own sops -d: manifests of Secrets and of \
            SopsSecrets, and YAML, JSON and .env files of keys and values. May be repeated.
            """, valueName: "path"),
        completion: .file())
    var sops: [String] = []

    @Option(
        help: "With --sops, the name of the Secret that the keys and values of one file become.")
    var name: String?

    var isGiven: Bool { !sops.isEmpty }

    func validate() throws {
        if name != nil, sops.isEmpty {
            throw ValidationError("--name names the Secret of a file; give the file with --sops")
        }
        if let name, (try? EnvelopeValidation.check(secretName: name)) == nil {
            throw ValidationError(
                "--name \(name.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
        if sops.contains(where: DescriptorPath.isStream) {
            throw ValidationError("--sops needs the path of a file: sops finds its format by the name")
        }
    }

    /// Decrypts and wraps the Secrets, and prints all problems.
    ///
    /// - Parameter wrapper: Returns the wrapper for a Secret.
    /// - Throws: `ExitCode` if there were problems, so that nothing must be written.
    func wrap(
        namespace: String?, with wrapper: (SecretInput) async throws(InputError) -> SecretWrapper
    ) async throws -> [ImportedSecret] {
        // Settings of Secrets Bridge, which may contain a master key, are left out.
        let program = try SopsProgram(
            environment: inheritableEnvironment(), isInteractive: HiddenPrompt.isAvailable,
            report: { Console.note($0) })
        let result = await SopsImport(
            program: program, documents: SopsDocuments(name: name, namespace: namespace)
        ).wrap(sops, with: wrapper)
        result.notes.forEach(Console.note)
        guard result.problems.isEmpty else {
            Console.errors(result.problems.map(\.description))
            throw ExitCode.failure
        }
        if let first = result.outputs.first {
            Console.note(
                "a Secret that is in the cluster already is not touched until it is handed over: "
                    + SopsHandover.steps(owner: result.owner, namespace: first.namespace, name: first.name))
        }
        return result.outputs
    }
}
