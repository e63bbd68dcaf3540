import ArgumentParser
import CLI
import Envelope

/// SealedSecrets in files, instead of the Secrets of a cluster.
struct SealedSecretOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "SealedSecrets of this file, or of a folder's YAML and JSON files; - is standard input. May be repeated.",
            valueName: "path"),
        completion: manifestCompletion)
    var sealed: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            """
            The private key of the sealed-secrets controller: PEM, or Secrets as kubectl writes them; - is standard \
            input. May be repeated.
            """, valueName: "file"),
        completion: .file())
    var sealingKey: [String] = []

    func validate() throws {
        if sealed.isEmpty != sealingKey.isEmpty {
            throw ValidationError(
                sealed.isEmpty
                    ? "--sealing-key opens SealedSecrets; give their files with --sealed"
                    : "--sealed needs the controller's private key; give --sealing-key")
        }
        try checkStandardInputIsReadOnce(sealed + sealingKey)
    }

    /// Reports problems as they are found.
    ///
    /// - Returns: The WrappedSecrets, and whether every file could be read: those of a folder that are not YAML are
    ///   reported and do not stop the others.
    /// - Throws: `ExitCode` if there were other problems; nothing is to be written then.
    func wrap(
        scope: Scope?, namespace: String?
    ) async throws -> (secrets: [ImportedSecret], isComplete: Bool) {
        let sealingKeys = try SealingKeys(reading: sealingKey)
        sealingKeys.notes.forEach(Console.note)
        let files = SealedSecretFiles(reading: sealed)
        for problem in files.unreadable { Console.error("\(problem); it is passed over") }
        let result = await SealedSecretImport(
            sealingKeys: sealingKeys, keys: try loadKeys(), scope: scope, namespace: namespace
        ).wrap(files.documents, beside: files.problems)
        guard result.problems.isEmpty else {
            Console.errors(result.problems.map(\.description))
            throw ExitCode.failure
        }
        return (result.outputs, files.unreadable.isEmpty)
    }

    /// What is left to do, by the example of one.
    static func noteNextSteps(_ secrets: [ImportedSecret]) {
        guard let secret = secrets.first else { return }
        Console.note(
            "each Secret belongs to its SealedSecret until it is handed over: "
                + SealedSecretHandover.steps(namespace: secret.namespace, name: secret.name))
    }
}
