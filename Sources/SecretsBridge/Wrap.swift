import ArgumentParser
import CLI
import Cryptography
import Envelope
import KMS
import System

extension Scope: ExpressibleByArgument {}

struct Wrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encrypt Secrets into WrappedSecrets.",
        discussion: """
            Reads one or more Secret manifests (YAML or JSON) and writes WrappedSecret manifests, which may be committed. \
            Nothing is written unless all of them succeed.

              secrets-bridge wrap -n payments secret.yaml -w wrapped.yaml
              secrets-bridge wrap -n payments --name db --from-file tls.key
              secrets-bridge wrap -n payments --name db --from-env-file .env -o json
              secrets-bridge wrap -n payments --key-ref KeyProvider/own secret.yaml
              secrets-bridge wrap -n payments --template app.conf=app.conf.tmpl secret.yaml
            """)

    @OptionGroup var manifest: ManifestOptions

    @Option(
        help: """
            The binding of the ciphertext: strict (to namespace and name), namespace, or cluster (to neither; the controller \
            must allow it).
            """)
    var scope: Scope = .strict

    @Option(help: "Create a Secret with this name from the --from options, instead of reading manifests.")
    var name: String?

    @Option(help: "The type of the Secret that --name creates.")
    var type: String?

    @OptionGroup var entries: EntryOptions

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Render this file, with references such as {{ .password }}, into a key of the Secret. May be repeated.",
            valueName: "key=file"),
        completion: .file())
    var template: [String] = []

    @OptionGroup var provider: KeyRefOptions

    @OptionGroup var cluster: ClusterAccess

    func validate() throws {
        if name == nil, !entries.isEmpty || type != nil {
            throw ValidationError("--from-literal, --from-file, --from-env-file and --type need --name")
        }
        if name != nil, !manifest.paths.isEmpty {
            throw ValidationError(
                "--name creates a Secret from the --from options; leave out --filename and other arguments")
        }
        if name != nil, entries.isEmpty {
            throw ValidationError("--name needs --from-literal, --from-file or --from-env-file")
        }
        if let name { try check(name) }
        let manifests = name == nil && manifest.paths.isEmpty ? ["-"] : manifest.paths
        try checkStandardInputIsReadOnce(
            manifests + template.map(pathOfFileOption) + entries.fromFile.map(pathOfFileOption)
                + entries.fromEnvFile)
    }

    /// Rejects invalid arguments before any file is read.
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
        let output = try manifest.outputFile.open(.byUmask)
        let keys = try await provider.keys(namespace: manifest.namespace, cluster)
        let wrapping = SecretWrapper(
            keys: keys, scope: scope, namespace: manifest.namespace, keyRef: provider.keyRef)
        var outputs: [SecretWrapper.Output] = []
        for secret in try templatedSecrets() { outputs.append(try await wrapping.wrap(secret)) }
        outputs.flatMap(\.notes).forEach(Console.note)
        try output.write(outputs.map(\.manifest), as: manifest.output)
    }

    private func templatedSecrets() throws -> [SecretInput] {
        var secrets = try secrets()
        guard !template.isEmpty else { return secrets }
        guard secrets.count == 1 else {
            throw CommandError("--template needs one Secret, and \(secrets.count) were read; wrap it alone")
        }
        for argument in template {
            let (key, text) = try SecretArguments.template(argument)
            guard secrets[0].templates.updateValue(text, forKey: key) == nil else {
                throw CommandError("--template: the key \(key) is given twice")
            }
        }
        return secrets
    }

    private func secrets() throws -> [SecretInput] {
        guard let name else {
            return try manifest.readAll().flatMap { file in
                try SecretManifestReader.secrets(in: file.contents.bytes, source: file.source)
            }
        }
        return [try entries.read().secret(name: name, namespace: manifest.namespace, type: type)]
    }
}
