import ArgumentParser
import CLI
import Cryptography
import Envelope
import KMS
import System
import YAML

extension Scope: ExpressibleByArgument {}

struct Wrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encrypt Secrets into WrappedSecrets.",
        discussion: """
            Reads Secret manifests (YAML or JSON, one or more) and writes WrappedSecret \
            manifests that may be committed. Nothing is written unless all of it succeeds.

              secrets-bridge wrap -n payments secret.yaml -w wrapped.yaml
              secrets-bridge wrap -n payments --name db --from-file tls.key
              secrets-bridge wrap -n payments --name db --from-env-file .env -o json
            """)

    @OptionGroup var manifest: ManifestOptions

    @Option(
        help: """
            What the ciphertext is bound to: strict (namespace and name), namespace, or cluster (neither; the \
            controller must allow it).
            """)
    var scope: Scope = .strict

    @Option(help: "Make a Secret of this name from the --from options, instead of reading manifests.")
    var name: String?

    @Option(help: "Type of the Secret that --name makes.")
    var type: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("An entry; other users of this machine can see it.", valueName: "key=value"))
    var fromLiteral: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "An entry from a file, or one from each file of a folder.", valueName: "[key=]path"),
        completion: .file())
    var fromFile: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Entries from lines of KEY=VALUE.", valueName: "path"), completion: .file())
    var fromEnvFile: [String] = []

    private var hasSources: Bool { !(fromLiteral + fromFile + fromEnvFile).isEmpty }

    func validate() throws {
        if name == nil, hasSources || type != nil {
            throw ValidationError("--from-literal, --from-file, --from-env-file and --type need --name")
        }
        if name != nil, !manifest.paths.isEmpty {
            throw ValidationError(
                "--name makes a Secret from the --from options; leave out --filename and other arguments")
        }
        if name != nil, !hasSources {
            throw ValidationError("--name needs --from-literal, --from-file or --from-env-file")
        }
        if let name { try check(name) }
        try checkStandardInputIsReadOnce(fromFile.map(pathOfFileOption) + fromEnvFile)
    }

    /// What needs no file to be found wrong.
    private func check(_ name: String) throws {
        if (try? EnvelopeValidation.check(secretName: name)) == nil {
            throw ValidationError(
                "--name \(name.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
        if manifest.namespace == nil, scope != .cluster {
            throw ValidationError(
                "--name needs --namespace: scope \(scope.rawValue) binds the ciphertext to it")
        }
    }

    func run() async throws {
        do {
            let output = try manifest.outputFile.open(.byUmask)
            let wrapping = SecretWrapper(keys: try loadKeys(), scope: scope, namespace: manifest.namespace)
            var outputs: [SecretWrapper.Output] = []
            for secret in try secrets() { outputs.append(try await wrapping.wrap(secret)) }
            outputs.flatMap(\.notes).forEach(Console.note)
            try output.write(outputs.map(\.manifest), as: manifest.output)
        } catch let error as InputError {
            throw CommandError(error)
        }
    }

    private func secrets() throws -> [SecretInput] {
        guard let name else {
            return try manifest.readAll().flatMap { file in
                try SecretManifestReader.secrets(in: file.contents.bytes, source: file.source)
            }
        }
        var input = SecretArguments()
        for literal in fromLiteral { try input.addLiteral(literal) }
        for file in fromFile { try input.addFile(file) }
        for file in fromEnvFile {
            try input.addEnvFile(file) {
                Environment.process.exactValue($0).map { SharedSecret(copying: $0.utf8) }
            }
        }
        input.notes.forEach(Console.note)
        return [input.secret(name: name, namespace: manifest.namespace, type: type)]
    }
}
