import ArgumentParser
import CLI
import Primitives
import YAML

struct Unwrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decrypt WrappedSecrets into Secrets, for whoever may use the key.",
        discussion: """
            Prints Secret manifests with their values in the clear (base64). The key is the \
            one that the environment configures; the KMS decides whether you may.

              secrets-bridge unwrap -f wrapped.yaml
            """)

    @OptionGroup var manifest: ManifestOptions

    func run() async throws {
        do {
            let unwrapping = Unwrapping(keys: try loadKeys(), namespace: manifest.namespace)
            var secrets: [YAMLValue] = []
            for file in try manifest.read() {
                secrets += try await unwrapping.secrets(in: file.contents.bytes, source: file.source)
            }
            try manifest.output.write(secrets)
        } catch let error as InputError {
            throw CommandError(error)
        }
    }
}
