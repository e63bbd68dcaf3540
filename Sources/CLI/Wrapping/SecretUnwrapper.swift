package import Cryptography
package import Envelope
package import JSON
import KubeClient
import Resources
import YAML

/// Decrypts WrappedSecret manifests into Secrets, rendered templates included.
package struct SecretUnwrapper: Sendable {
    private let keys: KeyRing
    private let namespace: String?

    package init(keys: KeyRing, namespace: String?) {
        self.keys = keys
        self.namespace = namespace
    }

    /// Returns the Secrets of a file with one or more WrappedSecrets, in order, and skips documents of other kinds.
    ///
    /// - Throws: `InputError` if the file contains no WrappedSecret, or one of them cannot be decrypted.
    package func secrets(
        in file: borrowing SecretBytes, source: String
    ) async throws(InputError) -> [JSONValue] {
        let objects = try ManifestFile.objects(in: file, source: source, kind: WrappedSecret.resource.kind)
        let wrapped = objects.filter(WrappedSecretDocument.isWrappedSecret)
        var secrets: [JSONValue] = []
        guard !wrapped.isEmpty || objects.contains(where: { $0["kind"] != nil && $0["apiVersion"] != nil })
        else {
            throw InputError(source, WrappedSecretFile.noWrappedSecretMessage)
        }
        // Without any WrappedSecret, the error for the first object says what it is.
        for object in wrapped.isEmpty ? objects : wrapped { secrets.append(try await unwrap(object, source)) }
        return secrets
    }

    private func unwrap(_ document: YAMLNode, _ source: String) async throws(InputError) -> JSONValue {
        let document = try WrappedSecretDocument(document, source: source)
        let object = try document.object(namespace: namespace)
        do {
            let desired = try DesiredSecret(object)
            let opened = try await object.sealedEnvelope().open(with: keys)
            let values = try desired.templates.rendered(with: opened.entries)
            return secret(desired, values, namespace: object.metadata.namespace)
        } catch {
            throw InputError(document.location, "\(error)")
        }
    }

    private func secret(
        _ desired: DesiredSecret, _ values: [SecretEntry], namespace: String?
    ) -> JSONValue {
        let metadata = metadataFields(
            name: desired.name, namespace: namespace, labels: desired.labels, annotations: desired.annotations
        )
        var secret: [(key: String, value: JSONValue)] = [
            ("apiVersion", "v1"), ("kind", "Secret"), ("metadata", .object(metadata)),
            ("type", .string(desired.type)),
        ]
        if desired.isImmutable { secret.append(("immutable", true)) }
        secret.append(
            ("data", .object(values.map { (key: $0.name, value: .base64($0.value)) })))
        return .object(secret)
    }
}
