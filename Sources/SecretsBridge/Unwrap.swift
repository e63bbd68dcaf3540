import ArgumentParser
import CLI
import Cryptography
import JSON
import System

struct Unwrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decrypt WrappedSecrets into Secrets.",
        discussion: """
            Prints Secret manifests with unencrypted values (base64). The environment configures the key, and the KMS \
            decides whether you may use it. A file of --output-file is readable by its owner only.

              secrets-bridge unwrap wrapped.yaml
              secrets-bridge unwrap wrapped.yaml -w secret.yaml
            """)

    @OptionGroup var manifest: ManifestOptions

    @OptionGroup var providers: ProviderOptions

    func run() async throws {
        let output = try manifest.outputFile.open(.ownerOnly)
        let unwrapping = SecretUnwrapper(
            keys: try providers.keys(namespace: manifest.namespace), namespace: manifest.namespace)
        var secrets: [JSONValue] = []
        for file in try manifest.readAll() {
            secrets += try await unwrapping.secrets(in: file.contents.bytes, source: file.source)
        }
        try output.write(secrets, as: manifest.output)
    }
}
