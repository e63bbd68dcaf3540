import ArgumentParser
import CLI
import Cryptography
import System
import YAML

struct Unwrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decrypt WrappedSecrets into Secrets, for whoever may use the key.",
        discussion: """
            Prints Secret manifests with their values in the clear (base64). The key is the \
            one that the environment configures; the KMS decides whether you may. What --output-file writes, only \
            its owner may read.

              secrets-bridge unwrap wrapped.yaml
              secrets-bridge unwrap wrapped.yaml -w secret.yaml
            """)

    @OptionGroup var manifest: ManifestOptions

    func run() async throws {
        do {
            let output = try manifest.outputFile.open(.ownerOnly)
            let unwrapping = SecretUnwrapper(keys: try loadKeys(), namespace: manifest.namespace)
            var secrets: [JSONValue] = []
            for file in try manifest.readAll() {
                secrets += try await unwrapping.secrets(in: file.contents.bytes, source: file.source)
            }
            try output.write(secrets, as: manifest.output)
        } catch let error as InputError {
            throw CommandError(error)
        }
    }
}
