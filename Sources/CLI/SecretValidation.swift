import Cryptography
import Envelope
import Resources

/// What the API server demands of the entries of a Secret of some types, as `ValidateSecret` (pkg/apis/core/validation)
/// checks it: the names, and of two types the values.
enum SecretValidation {
    /// - Throws: `SpecError` if the API server would refuse the Secret.
    static func check(type: String, _ entries: [SecretEntry]) throws(SpecError) {
        try TemplateValidation.check(type: type, entries: entries.map(\.name))
        switch type {
        case "kubernetes.io/dockerconfigjson": try checkJSON(".dockerconfigjson", type, entries)
        case "kubernetes.io/dockercfg": try checkJSON(".dockercfg", type, entries)
        case "kubernetes.io/ssh-auth":
            guard let key = value("ssh-privatekey", entries), key.count > 0 else {
                throw SpecError(
                    .invalidSpec,
                    "spec.template.type \(type) needs a private key under ssh-privatekey, and the value is empty; correct "
                        + "it, or choose another type")
            }
        default: break
        }
    }

    private static func value(_ name: String, _ entries: [SecretEntry]) -> SharedSecret? {
        entries.first { $0.name == name }?.value
    }

    private static func checkJSON(
        _ name: String, _ type: String, _ entries: [SecretEntry]
    ) throws(SpecError) {
        guard let value = value(name, entries) else { return }
        let problem = value.bytes.withUnsafeBytes { DockerConfigurationSyntax.problem(in: $0) }
        guard let problem else { return }
        throw SpecError(
            .invalidSpec,
            "spec.template.type \(type) needs a JSON object under \(name), and the value is none (\(problem)); correct it, "
                + "or choose another type")
    }
}
