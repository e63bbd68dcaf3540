import ArgumentParser
import CLI
import Envelope

/// The SealedSecrets to import from files, instead of Secrets from a cluster.
struct SealedSecretOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Import the SealedSecrets of this file, or of the YAML and JSON files of a folder. - is standard input. May be repeated.",
            valueName: "path"),
        completion: manifestCompletion)
    var sealed: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            """
            The private key of the sealed-secrets controller, as PEM or as Secrets that kubectl writes. - is standard \
            input. May be repeated.
            """, valueName: "file"),
        completion: .file())
    var sealingKey: [String] = []

    func validate() throws {
        if sealed.isEmpty != sealingKey.isEmpty {
            throw ValidationError(
                sealed.isEmpty
                    ? "--sealing-key decrypts SealedSecrets; give their files with --sealed"
                    : "--sealed requires the controller's private key; give --sealing-key")
        }
        try checkStandardInputIsReadOnce(sealed + sealingKey)
    }

    /// Decrypts and wraps the SealedSecrets, and prints all problems.
    ///
    /// - Parameter wrapper: Returns the wrapper for a Secret, which has the scope of its SealedSecret by default.
    /// - Returns: The WrappedSecrets, and false if a file in a folder is not YAML and was skipped.
    /// - Throws: `ExitCode` if there were other problems, so that nothing must be written.
    func wrap(
        namespace: String?, with wrapper: (SecretInput, Scope) async throws(InputError) -> SecretWrapper
    ) async throws -> (secrets: [ImportedSecret], isComplete: Bool) {
        let sealingKeys = try SealingKeys(reading: sealingKey)
        sealingKeys.notes.forEach(Console.note)
        let files = SealedSecretFiles(reading: sealed)
        for problem in files.unreadable { Console.error("\(problem); it is skipped") }
        let result = await SealedSecretImport(sealingKeys: sealingKeys, namespace: namespace)
            .wrap(files.documents, beside: files.problems, with: wrapper)
        guard result.problems.isEmpty else {
            Console.errors(result.problems.map(\.description))
            throw ExitCode.failure
        }
        return (result.outputs, files.unreadable.isEmpty)
    }

    /// Prints the remaining steps, for the first Secret as an example.
    static func noteNextSteps(_ secrets: [ImportedSecret]) {
        guard let secret = secrets.first else { return }
        Console.note(
            "each Secret belongs to its SealedSecret until it is handed over: "
                + SealedSecretHandover.steps(namespace: secret.namespace, name: secret.name))
    }
}
