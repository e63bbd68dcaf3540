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

            With --recipient, the public keys in these files wrap, and nothing else: no KMS, no settings and no network are \
            needed. --key-ref then only names the provider in the WrappedSecrets.

              secrets-bridge wrap -n payments --recipient keys/production.yaml secret.yaml
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

    @OptionGroup var recipients: RecipientOptions

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
        try provider.check(with: recipients)
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
        let keys = try await recipients.keyRing {
            try await provider.keys(namespace: manifest.namespace, cluster)
        }
        let wrapping = SecretWrapper(
            keys: keys, scope: scope, namespace: manifest.namespace, keyRef: provider.keyRef)
        var outputs: [SecretWrapper.Output] = []
        for secret in try secrets() { outputs.append(try await wrapping.wrap(secret)) }
        outputs.flatMap(\.notes).forEach(Console.note)
        try output.write(outputs.map(\.manifest), as: manifest.output)
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
