import Envelope
import YAML

/// The binding as KMS's encryption context: it must be the same at unwrapping, policies can ask for it
/// (`kms:EncryptionContext:secrets-bridge.io/namespace`), and CloudTrail shows it.
enum AWSEncryptionContext {
    /// What the scope leaves open is left out.
    static func entries(_ binding: Binding) -> [(name: String, value: String)] {
        [
            ("secrets-bridge.io/scope", binding.scope.rawValue),
            ("secrets-bridge.io/namespace", binding.namespace), ("secrets-bridge.io/name", binding.name),
        ].filter { !$0.1.isEmpty }
    }

    static func json(_ binding: Binding) -> JSONValue {
        .object(entries(binding).map { (key: $0.name, value: .string($0.value)) })
    }
}
