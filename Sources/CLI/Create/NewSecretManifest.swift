package import Cryptography
import Envelope
import JSON
import System
import YAML

/// The manifest of a new Secret as the user fills it in, with the entries of its type to start from.
package struct NewSecretManifest: Sendable {
    private let name: String
    private let namespace: String?
    private let type: String?
    private let path: String

    /// - Parameters:
    ///   - path: The file that the WrappedSecret is written to.
    ///   - name: The name of the Secret, or nil for the one in the file's name.
    package init(path: String, name: String?, namespace: String?, type: String?) {
        self.path = path
        self.name = name ?? Self.name(from: path)
        self.namespace = namespace
        self.type = type
    }

    /// Returns the file's name without its endings if it can be a Secret's name, or else an empty text.
    private static func name(from path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? ""
        let name = file.split(separator: ".").first.map(String.init) ?? ""
        return EnvelopeValidation.isDNSSubdomain(name) ? name : ""
    }

    /// The text that the editor shows.
    package var text: SecretBytes {
        var output = SecretBuffer()
        output.append(
            """
            # A new Secret, which is wrapped into the file when you save and close the editor. Put one value on each
            # line below stringData, as in the example, or a base64 value below data:. Nothing is written if you do
            # not save, or if there is no value.

            """)
        var metadata: [(key: String, value: JSONValue)] = [("name", .string(name))]
        if let namespace { metadata.append(("namespace", .string(namespace))) }
        output.append(
            YAMLWriter.write([["apiVersion": "v1", "kind": "Secret", "metadata": .object(metadata)]]))
        if namespace == nil { output.append("  # namespace: payments\n") }
        output.append(YAMLWriter.write([["type": .string(type ?? "Opaque")]]))
        output.append("stringData:\n")
        output.append(Array(example.utf8))
        return output.finish()
    }

    /// The lines below `stringData`, all of them comments.
    private var example: String {
        switch type {
        case "kubernetes.io/tls":
            "  # tls.crt: |\n  #   -----BEGIN CERTIFICATE-----\n  # tls.key: |\n  #   -----BEGIN PRIVATE KEY-----\n"
        case "kubernetes.io/basic-auth": "  # username: app\n  # password: \"\"\n"
        case "kubernetes.io/ssh-auth": "  # ssh-privatekey: |\n  #   -----BEGIN OPENSSH PRIVATE KEY-----\n"
        case "kubernetes.io/dockerconfigjson":
            "  # secrets-bridge wrap --docker-username is easier than a value by hand.\n  # .dockerconfigjson: '{\"auths\":{}}'\n"
        default: "  # user: app\n  # password: \"\"\n"
        }
    }

    /// Returns the Secret in an edited text.
    ///
    /// - Throws: `InputError` if it is not one Secret manifest, or has no values.
    package func secret(in edited: borrowing SecretBytes) throws(InputError) -> SecretInput {
        let secrets = try SecretManifestReader.secrets(in: edited, source: "the new Secret")
        guard secrets.count == 1, let secret = secrets.first else {
            throw InputError("the new Secret", "is \(secrets.count) Secrets; one is expected")
        }
        guard !secret.entries.isEmpty else {
            throw InputError(
                "the new Secret", "has no values; add one below stringData, without # before it")
        }
        return secret
    }
}
