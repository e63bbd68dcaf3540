import ArgumentParser
import CLI
import Envelope
import Resources

/// One WrappedSecret in a file.
struct DocumentOptions: ParsableArguments {
    @Argument(help: "A file with the WrappedSecret.", completion: manifestCompletion)
    var file: String

    @Option(help: "The name of the WrappedSecret, if the file has several.")
    var name: String?

    @Option(
        name: .shortAndLong,
        help: "The namespace of the WrappedSecret, if the file has none, or several of the name.",
        transform: parseNamespace)
    var namespace: String?

    @OptionGroup var providers: ProviderOptions

    func keys() throws -> KeyRing { try providers.keys(namespace: namespace) }

    /// - Parameter rule: The rule for the file, for a command that changes it.
    func open(with keys: KeyRing, rule: Rule? = nil) async throws(InputError) -> OpenedDocument {
        try await OpenedDocument(
            try WrappedSecretFile(reading: file), named: name, namespace: namespace, with: keys, rule: rule)
    }

    /// Returns the rule for the file with the values of flags in place of its own, and prints which flags override it.
    func rule(_ rules: RulesOptions) throws(InputError) -> Rule? {
        guard let found = try rules.book().rule(for: file) else { return nil }
        let (rule, notes) = found.overridden(namespace: namespace)
        notes.forEach(Console.note)
        return rule
    }

    /// The options as command-line arguments.
    var arguments: [String] {
        [file.hasPrefix("-") ? "./\(file)" : file] + (name.map { ["--name", $0] } ?? [])
            + (namespace.map { ["--namespace", $0] } ?? [])
            + providers.providerFile.flatMap { ["--provider-file", $0] }
    }

    /// Returns the names of the entries, which are not secret.
    func entryNames() throws(InputError) -> [String] {
        let file = try WrappedSecretFile(reading: file)
        let index = try file.index(named: name, namespace: namespace)
        return file.documents[index].object.spec.envelope.data.keys.sorted()
    }

    /// Changes the entries in the file, and prints the difference.
    func updateEntries(
        following rules: RulesOptions, with recipients: RecipientOptions,
        _ change: (inout [String: SecretEntry]) throws -> Void
    ) async throws {
        let rule = try rule(rules)
        let recipientKeys = try recipients.keys(beside: rule?.recipients?.files ?? [])
        let keys = try await recipients.explainingThatFilesOnlyWrap { try self.keys() }
        let opened = try await recipients.explainingThatFilesOnlyWrap {
            try await open(with: keys, rule: rule)
        }
        var entries: [String: SecretEntry] = [:]
        for entry in opened.entries { entries[entry.name] = entry }
        try change(&entries)
        let edit = ValueEdit(
            opened, with: keys, recipientKeys: recipientKeys, rule: rule, note: { Console.note($0) })
        let difference = try await edit.replaceValues(with: entries.values.sorted { $0.name < $1.name })
        Self.printDifference(difference)
    }

    static func printDifference(_ difference: ValueDifference) {
        difference.lines.forEach { Console.writeLine(StyledText(change: $0)) }
        if difference.isEmpty { Console.note("nothing changed; the file was not written") }
    }
}
