package import Cryptography
package import Envelope
import KubeClient
import Resources
package import YAML

/// Turns WrappedSecret manifests back into Secrets, for whoever holds the key.
package struct SecretUnwrapper: Sendable {
    private let keys: KeyRing
    private let namespace: String?

    package init(keys: KeyRing, namespace: String?) {
        self.keys = keys
        self.namespace = namespace
    }

    /// The Secrets of a file with one or more WrappedSecrets, in their order. Documents of other kinds are passed over.
    ///
    /// - Throws: `InputError` if no WrappedSecret is in it, or one of them does not open.
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
        // Where there is none, the first object is refused for what it is.
        for object in wrapped.isEmpty ? objects : wrapped { secrets.append(try await unwrap(object, source)) }
        return secrets
    }

    private func unwrap(_ document: YAMLNode, _ source: String) async throws(InputError) -> JSONValue {
        let document = try WrappedSecretDocument(document, source: source)
        let object = try document.object(namespace: namespace)
        let place = document.location
        do {
            let blueprint = try DesiredSecret(object)
            let opened = try await object.sealedEnvelope().open(with: keys)
            return secret(blueprint, opened, namespace: object.metadata.namespace)
        } catch let error as SpecError {
            throw InputError(place, error.description)
        } catch let error as EnvelopeError {
            throw InputError(place, error.description)
        } catch {
            throw InputError(place, "\(error)")
        }
    }

    private func secret(
        _ blueprint: DesiredSecret, _ opened: OpenedEnvelope, namespace: String?
    ) -> JSONValue {
        func pairs(_ pairs: [String: String]) -> JSONValue {
            .object(pairs.sorted { $0.key < $1.key }.map { (key: $0.key, value: .string($0.value)) })
        }
        var metadata: [(key: String, value: JSONValue)] = [("name", .string(blueprint.name))]
        if let namespace { metadata.append(("namespace", .string(namespace))) }
        if !blueprint.labels.isEmpty { metadata.append(("labels", pairs(blueprint.labels))) }
        if !blueprint.annotations.isEmpty { metadata.append(("annotations", pairs(blueprint.annotations))) }
        var secret: [(key: String, value: JSONValue)] = [
            ("apiVersion", "v1"), ("kind", "Secret"), ("metadata", .object(metadata)),
            ("type", .string(blueprint.type)),
        ]
        if blueprint.isImmutable { secret.append(("immutable", true)) }
        secret.append(
            ("data", .object(opened.entries.map { (key: $0.name, value: .base64($0.value)) })))
        return .object(secret)
    }
}
