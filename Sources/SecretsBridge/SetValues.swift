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
            The values get a new data key, wrapped for the same keys; other bytes of the file stay. The options mean \
            what they mean to wrap.

              secrets-bridge set db.yaml --from-file password=/dev/stdin < password.txt
              secrets-bridge set db.yaml --from-literal user=app
            """)

    @OptionGroup var document: DocumentOptions

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("A value; other users of this machine can see it.", valueName: "key=value"))
    var fromLiteral: [String] = []

    @Option(
        parsing: .singleValue, help: ArgumentHelp("A value from a file.", valueName: "[key=]path"),
        completion: .file())
    var fromFile: [String] = []

    @Option(
        parsing: .singleValue, help: ArgumentHelp("Values from lines of KEY=VALUE.", valueName: "path"),
        completion: .file())
    var fromEnvFile: [String] = []

    func validate() throws {
        guard !(fromLiteral + fromFile + fromEnvFile).isEmpty else {
            throw ValidationError("give --from-literal, --from-file or --from-env-file")
        }
        try checkNoStandardInput([document.file])
        try checkStandardInputIsReadOnce(fromFile.map(pathOfFileOption) + fromEnvFile)
    }

    func run() async throws {
        let new: [SecretEntry]
        do throws(InputError) {
            var input = SecretArguments()
            for literal in fromLiteral { try input.addLiteral(literal) }
            for file in fromFile { try input.addFile(file) }
            for file in fromEnvFile {
                try input.addEnvFile(file) {
                    Environment.process.exactValue($0).map { SharedSecret(copying: $0.utf8) }
                }
            }
            input.notes.forEach(Console.note)
            new = input.secret(name: "", namespace: nil, type: nil).entries
        } catch {
            throw CommandError(error)
        }
        try await document.updateEntries(try loadKeys()) { entries in
            for entry in new { entries[entry.name] = entry }
        }
    }
}

struct UnsetValues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset",
        abstract: "Remove values of a WrappedSecret in a file.",
        discussion: """
            What stays gets a new data key, wrapped for the same keys; other bytes of the file stay.

              secrets-bridge unset db.yaml old-password
            """)

    @OptionGroup var document: DocumentOptions

    @Argument(help: "Names of entries.")
    var entry: [String]

    func validate() throws { try checkNoStandardInput([document.file]) }

    func run() async throws {
        try await document.updateEntries(try loadKeys()) { entries in
            for name in entry where entries.removeValue(forKey: name) == nil {
                throw CommandError("\(document.file) has no entry \(name)")
            }
        }
    }
}

struct RotateValues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-value",
        abstract: "Replace values of a WrappedSecret in a file by new random ones.",
        discussion: """
            Letters and digits. The program that uses the value has to learn the new one: it is in the Secret when \
            the file was applied.

              secrets-bridge rotate-value db.yaml password
            """)

    @OptionGroup var document: DocumentOptions

    @Argument(help: "Names of entries; those that are not there are made.")
    var entry: [String]

    @Option(help: "Characters of a value.")
    var length = 32

    func validate() throws {
        guard RandomValue.allowedLengths.contains(length) else {
            throw ValidationError(
                "--length is \(length); \(RandomValue.allowedLengths.lowerBound) to "
                    + "\(RandomValue.allowedLengths.upperBound) are expected")
        }
        try checkNoStandardInput([document.file])
        for name in entry where (try? EnvelopeValidation.check(entry: name)) == nil {
            throw ValidationError(
                "\(name.debugDescription) is not the name of an entry (1 to 253 of A-Z a-z 0-9 - _ .)")
        }
    }

    func run() async throws {
        try await document.updateEntries(try loadKeys()) { entries in
            for name in entry {
                entries[name] = SecretEntry(name: name, value: try RandomValue.make(length: length))
            }
        }
    }
}
