package import Cryptography
package import JSON
import YAML

/// The text of a new file with WrappedSecrets in YAML.
package enum NewManifest {
    /// Editors with yaml-language-server read the schema that the first line names: they complete fields and mark mistakes.
    /// The schema itself is schemas/wrappedsecret_v1alpha1.json of the repository.
    package static let schemaLine =
        "# yaml-language-server: $schema="
        + "https://raw.githubusercontent.com/secrets-bridge/secrets-bridge/main/schemas/wrappedsecret_v1alpha1.json\n"

    /// Returns the documents after the line for editors.
    package static func yaml(_ documents: [JSONValue]) -> SecretBytes {
        let text = YAMLWriter.write(documents)
        var output = SecretBuffer(capacity: schemaLine.utf8.count + text.count)
        output.append(Array(schemaLine.utf8))
        output.append(text)
        return output.finish()
    }
}
