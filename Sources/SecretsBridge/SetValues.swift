import ArgumentParser
import CLI
import Cryptography
import Envelope
import KMS

struct SetValues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set values of a WrappedSecret in a file.",
        discussion: """
            Encrypts the values under a new data key, which is wrapped for the same keys, or for those that a rule of \
            .secrets-bridge.yaml lists. The rest of the file stays as it is. The options are those of wrap. The other values \
            are decrypted first, with a configured key: a recipient file only wraps, for a recipient whose key is not \
            configured. The value of a name without an option is asked for without being shown; if standard input is no \
            terminal, it is the value of one name.

              secrets-bridge set db.yaml password
              secrets-bridge set db.yaml --from-file password=/dev/stdin < password.txt
              secrets-bridge set db.yaml --from-literal user=app
            """)

    @OptionGroup var document: DocumentOptions

    @OptionGroup var rules: RulesOptions

    @Argument(help: "Names of entries whose values are typed, or one whose value is on standard input.")
    var names: [String] = []

    @OptionGroup var entries: EntryOptions

    @OptionGroup var recipients: RecipientOptions

    func validate() throws {
        if entries.isEmpty, names.isEmpty {
            throw ValidationError(
                "give the name of an entry, --from-literal, --from-file, --from-env-file, --docker-username or --tls-cert"
            )
        }
        try checkEntryNames(names, advice: "give the name alone, and the value is asked for")
        try checkNoStandardInput([document.file])
        if readsStandardInput { try checkStandardInputIsReadOnce(["/dev/stdin"] + entries.paths) }
    }

    /// True if standard input is the value of the only name.
    private var readsStandardInput: Bool { names.count == 1 && !HiddenPrompt.inputIsTerminal }

    func run() async throws {
        var arguments = try entries.read()
        try await document.updateEntries(following: rules, with: recipients) { entries in
            // Values are asked for after the file could be opened.
            try readValues(into: &arguments)
            let new = arguments.secret(name: "", namespace: nil, type: nil).entries
            for entry in new { entries[entry.name] = entry }
        }
    }

    /// Asks for the values of `names`, or reads that of a single one from standard input.
    private func readValues(into arguments: inout SecretArguments) throws {
        let before = arguments.notes.count
        if readsStandardInput {
            try arguments.addStandardInput(of: names[0])
        } else {
            for name in names {
                let value = try HiddenPrompt.read(name, alternative: "--from-file \(name)=FILE")
                try arguments.addValue(value, of: name)
            }
        }
        arguments.notes.dropFirst(before).forEach(Console.note)
    }
}

struct UnsetValues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset",
        abstract: "Remove values of a WrappedSecret in a file.",
        discussion: """
            Encrypts the remaining values under a new data key, which is wrapped for the same keys, or for those that a \
            rule of .secrets-bridge.yaml lists. The rest of the file stays as it is.

              secrets-bridge unset db.yaml old-password
            """)

    @OptionGroup var document: DocumentOptions

    @OptionGroup var rules: RulesOptions

    @Argument(help: "Names of entries.")
    var entry: [String]

    @OptionGroup var recipients: RecipientOptions

    func validate() throws {
        try checkNoStandardInput([document.file])
        try checkEntryNames(entry, advice: "give the name alone")
    }

    func run() async throws {
        try await document.updateEntries(following: rules, with: recipients) { entries in
            let old = entries
            for name in entry {
                guard old[name] != nil else { throw CommandError("\(document.file) has no entry \(name)") }
                entries[name] = nil
            }
        }
    }
}

struct RotateValues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-value",
        abstract: "Replace values of a WrappedSecret in a file with new random values.",
        discussion: """
            The values consist of letters and digits. They are in the Secret after the file is applied; programs that use \
            an old value must then be given the new one.

              secrets-bridge rotate-value db.yaml password
            """)

    @OptionGroup var document: DocumentOptions

    @OptionGroup var rules: RulesOptions

    @Argument(help: "Names of entries. Missing entries are added.")
    var entry: [String]

    @Option(help: "The number of characters of a value.")
    var length = 32

    @OptionGroup var recipients: RecipientOptions

    func validate() throws {
        guard RandomValue.allowedLengths.contains(length) else {
            throw ValidationError(
                "--length is \(length); \(RandomValue.allowedLengths.lowerBound) to "
                    + "\(RandomValue.allowedLengths.upperBound) are allowed")
        }
        try checkNoStandardInput([document.file])
        try checkEntryNames(entry, advice: "give the name alone, and the value is random")
    }

    func run() async throws {
        try await document.updateEntries(following: rules, with: recipients) { entries in
            for name in entry {
                entries[name] = SecretEntry(name: name, value: try RandomValue.make(length: length))
            }
        }
    }
}

/// Rejects arguments that are not names of entries. One may be NAME=VALUE, so it is not quoted.
private func checkEntryNames(_ names: [String], advice: String) throws {
    for name in names where (try? EnvelopeValidation.check(entry: name)) == nil {
        throw ValidationError(
            "an argument is not the name of an entry (1 to 253 of A-Z a-z 0-9 - _ .); \(advice)")
    }
}
