package import Cryptography
package import Envelope
import JSON
import Resources
import YAML

/// The values of a WrappedSecret as the user edits them: a Secret manifest with text under `stringData`, and other
/// bytes as base64 under `data`.
package struct EditableManifest: Sendable {
    private let opened: OpenedDocument

    package init(_ opened: OpenedDocument) { self.opened = opened }

    package var text: SecretBytes {
        var texts: [(key: String, value: JSONValue)] = []
        var binaries: [(key: String, value: JSONValue)] = []
        for entry in opened.entries {
            if let text = SecretText(entry.value) {
                texts.append((entry.name, .secret(text)))
            } else {
                binaries.append((entry.name, .base64(entry.value)))
            }
        }
        var fields: [(key: String, value: JSONValue)] = [
            ("apiVersion", "v1"), ("kind", "Secret"),
            ("metadata", ["name": .string(opened.secretName)]),
        ]
        if !binaries.isEmpty { fields.append(("data", .object(binaries))) }
        fields.append(("stringData", .object(texts)))
        var output = SecretBuffer()
        output.append(
            """
            # Change, add or remove values, save, and close the editor. Text is under stringData, other bytes are
            # base64 under data. Nothing changes if you do not save, or if the editor fails.

            """)
        output.append(YAMLWriter.write([.object(fields)], forEditing: true))
        return output.finish()
    }

    /// Returns the entries of an edited manifest.
    ///
    /// - Parameter note: Gets a line for each value that may not be as intended.
    /// - Throws: `InputError` if the text is not a Secret manifest, or if more than values was changed.
    package func entries(
        in edited: borrowing SecretBytes, note: (String) -> Void = { _ in }
    ) throws(InputError) -> [SecretEntry] {
        let secrets = try SecretManifestReader.secrets(in: edited, source: "the edited values")
        guard secrets.count == 1, let secret = secrets.first else {
            throw InputError("the edited values", "contain \(secrets.count) Secrets; one is expected")
        }
        guard secret.name == opened.secretName, secret.namespace == nil, secret.type == nil,
            secret.labels.isEmpty, secret.annotations.isEmpty, !secret.isImmutable,
            secret.serverManagedMetadata.isEmpty, secret.unsupportedMetadata.isEmpty
        else {
            throw InputError(
                "the edited values",
                "change more than values; edit name, labels, annotations and type in \(opened.file.path)"
            )
        }
        for entry in secret.entries {
            guard let old = opened.entries.first(where: { $0.name == entry.name }) else { continue }
            guard !Self.isBase64(entry.value, of: old.value), !Self.isBase64(old.value, of: entry.value)
            else {
                throw InputError(
                    "the edited values",
                    "have \(entry.name) under data instead of stringData, or the other way round; is a line data: or "
                        + "stringData: missing before it?")
            }
        }
        secret.commentNotes.forEach(note)
        return secret.entries
    }

    /// Returns true if `text` is the base64 of `value`. If a line is lost, entries move from one of the fields to the
    /// other.
    private static func isBase64(_ text: SharedSecret, of value: SharedSecret) -> Bool {
        guard text.count > 0, text.count == Base64.encodedCount(value.count) else { return false }
        var encoded = SecretBuffer(capacity: text.count)
        value.bytes.withUnsafeBytes { encoded.appendBase64($0) }
        return encoded.finish().equals(text.bytes)
    }
}
