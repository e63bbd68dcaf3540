import ArgumentParser
import CLI
import Cryptography
import Envelope
import JSON
import System

struct RecipientCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipient",
        abstract: "Write and show recipient files, with which anyone can wrap offline.",
        subcommands: [RecipientExport.self, RecipientShow.self])
}

struct RecipientExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the public half of an asymmetric KMS key to a recipient file.",
        discussion: """
            The key is that of the settings: RSA of 3072 or 4096 bits, for decryption. The file is not secret. Commit it, and \
            let those who wrap compare the fingerprint, which is printed, with yours.

              SB_KMS_VAULT_KEY=sb-offline secrets-bridge recipient export -w keys/production.yaml
              secrets-bridge wrap --recipient keys/production.yaml -n payments secret.yaml -w wrapped.yaml
            """)

    @Option(
        help: ArgumentHelp(
            "Export this configured key. The default is the key that wraps.", valueName: "backend|key-id"),
        completion: .list(KeySelector.backends), transform: parseKeySelector)
    var key: KeySelector?

    @OptionGroup var providers: ProviderOptions

    @Option(
        name: .shortAndLong, help: "The namespace of KeyProviders that have none.", transform: parseNamespace)
    var namespace: String?

    @OptionGroup var outputFile: OutputFileOptions

    func run() async throws {
        let output = try outputFile.open(.byUmask)
        let keys = try providers.keys(namespace: namespace)
        let manager = try await manager(keys)
        let exported: RecipientKey
        do throws(KeyManagerError) {
            exported = try await manager.publicKey()
        } catch {
            throw CommandError(error)
        }
        try output.write(RecipientFile.text(of: exported))
        Console.note("\(exported.keyID) has the fingerprint \(exported.fingerprint)")
    }

    private func manager(_ keys: KeyRing) async throws -> any KeyManager {
        guard let key else { return keys.primary }
        for manager in keys.all {
            // The id of an alias is known once it is resolved.
            if let manager = manager as? any DiagnosableKeyManager { try? await manager.resolveKeyID() }
        }
        guard let manager = keys.all.first(where: { key.matches(keyID: $0.keyID) }) else {
            throw CommandError(
                "--key: \(key) is not a configured key (\(keys.all.map(\.keyID).joined(separator: ", ")))")
        }
        return manager
    }
}

struct RecipientShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Check recipient files, and print their keys and fingerprints.",
        discussion: """
            Needs no KMS. Fingerprints are not compared with those of earlier runs.

              secrets-bridge recipient show keys/*.yaml
            """)

    @Argument(help: "Recipient files.", completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    @Option(name: .shortAndLong, help: "Write text, json or yaml.")
    var output: ReportFormat = .text

    func run() throws {
        var keys: [RecipientKey] = []
        var problems: [InputError] = []
        for file in files {
            do throws(InputError) {
                let key = try RecipientFile.read(file)
                if output == .text { RecipientFile.lines(of: key, file).forEach(Console.writeLine) }
                keys.append(key)
            } catch {
                problems.append(error)
            }
        }
        try output.structuredFormat?.write([.array(keys.map(RecipientFile.value(of:)))])
        Console.errors(problems.map(\.description))
        if !problems.isEmpty { throw ExitCode.failure }
    }
}
