import ArgumentParser
import CLI
import Cryptography
import Envelope
import KMS
import System

struct Move: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Move a WrappedSecret of a file to another namespace or name.",
        discussion: """
            Decrypts the values and, if they are bound to what changes, encrypts them again under a new data key, which is \
            wrapped for the same keys, or for those that a rule of .secrets-bridge.yaml lists. All other fields and comments of the file stay as they are. Without --output-file, the \
            file itself is changed. The Secret of the old place stays until its WrappedSecret is deleted there, as Argo CD and \
            Flux do when they prune.

              secrets-bridge move db.yaml --namespace billing
              secrets-bridge move db.yaml --name orders --output-file orders.yaml
              secrets-bridge move db.yaml --name orders --secret-name db
            """)

    @Argument(help: "A file with the WrappedSecret.", completion: manifestCompletion)
    var file: String

    @Option(
        help: "The new name of the WrappedSecret, and of its Secret unless spec.template.metadata names it.")
    var name: String?

    @Option(name: .shortAndLong, help: "The new namespace.", transform: parseNamespace)
    var namespace: String?

    @Option(
        help: ArgumentHelp(
            "The new name of the Secret (spec.template.metadata.name). With --name, give the old one to keep it.",
            valueName: "name"))
    var secretName: String?

    @Option(help: ArgumentHelp("The name of the WrappedSecret, if the file has several.", valueName: "name"))
    var fromName: String?

    @Option(
        help: ArgumentHelp(
            "The namespace of the WrappedSecret now, if the file has none, or several of the name.",
            valueName: "namespace"),
        transform: parseNamespace)
    var fromNamespace: String?

    @Option(
        name: [.customShort("w"), .long],
        help: ArgumentHelp(
            "Write to this file instead of changing the file itself, which must have no other objects. - is standard output.",
            valueName: "file"),
        completion: manifestCompletion)
    var outputFile: String?

    @OptionGroup var providers: ProviderOptions

    @OptionGroup var rules: RulesOptions

    @OptionGroup var recipients: RecipientOptions

    func validate() throws {
        guard name != nil || namespace != nil || secretName != nil else {
            throw ValidationError("give --namespace, --name or --secret-name, the place to move to")
        }
        for (option, value) in [("--name", name), ("--secret-name", secretName)] {
            guard let value, (try? EnvelopeValidation.check(secretName: value)) == nil else { continue }
            throw ValidationError(
                "\(option) \(value.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
        if outputFile == "" { throw ValidationError("--output-file is empty; give the path of a file") }
        if outputFile == nil { try checkNoStandardInput([file]) }
    }

    func run() async throws {
        let output = try outputFile.map(Self.open)
        let keys = try providers.keys(namespace: fromNamespace)
        let target = outputFile.flatMap { $0 == "-" ? nil : $0 } ?? file
        let book = rules.book()
        let rule = try book.rule(for: target)?.overridden(namespace: namespace)
        rule?.notes.forEach(Console.note)
        let ruleFiles = rule?.rule.recipients?.files ?? []
        try recipients.checkPins(ruleFiles)
        let recipientKeys = try recipients.keys(beside: ruleFiles)
        // The rule of the place that it leaves may give the namespace.
        let source = file == "-" ? nil : try book.rule(for: file)
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: file), named: fromName, namespace: fromNamespace, with: keys,
            rule: source)
        let move = DocumentMove(
            opened, to: .init(namespace: namespace, name: name, secretName: secretName), with: keys,
            recipientKeys: recipientKeys, rule: rule?.rule, note: { Console.note($0) })
        if output != nil { try move.checkOnlyDocument() }
        guard let contents = try await move.editedContents() else {
            Console.note("nothing changed; no file was written")
            return
        }
        if let output {
            try output.write(contents.bytes)
        } else {
            try move.replaceFile(with: contents)
        }
        Console.note("moved \(move.description)")
        move.notes.forEach(Console.note)
    }
}

extension Move {
    private static func open(_ path: String) throws -> ManifestOutput {
        var options = OutputFileOptions()
        options.outputFile = path
        return try options.open(.byUmask)
    }
}

extension ManifestOutput {
    /// Writes a text as it is.
    fileprivate func write(_ text: borrowing SecretBytes) throws {
        switch self {
        case .standardOutput: try Console.write(text)
        case .file(let file, let path):
            do throws(FileError) {
                try file.write(text)
            } catch {
                throw Self.failure(path, error)
            }
        }
    }
}
