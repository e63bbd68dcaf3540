import Cryptography
import Envelope
import Foundation
import KubeClient
import Resources
import TestSupport

@testable import Controller

let wrappedSecretKind = "WrappedSecret"
let wrappedSecretAPIVersion = "secrets-bridge.io/v1alpha1"

/// Returns a WrappedSecret that `keys` can unwrap.
func makeWrappedSecret(
    _ name: String = "db", by keys: FakeKeyManager, _ values: [String: String] = ["password": "canary-1"],
    template: WrappedSecretSpec.Template? = nil, namespace: String = "payments", scope: Scope = .strict
) async throws -> WrappedSecret {
    let secretName = template?.metadata?.name ?? name
    let binding = try Binding(scope: scope, namespace: namespace, secretName: secretName)
    let entries = values.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8)) }
    let envelope = try await Envelope.seal(entries, binding: binding, with: keys)
    return WrappedSecret(
        metadata: ObjectMeta(
            name: name, namespace: namespace, uid: "u1", resourceVersion: "10", generation: 3),
        spec: WrappedSecretSpec(envelope: envelope.fields, template: template))
}

/// Returns a WrappedSecret in the namespace payments whose envelope cannot be opened.
func unsealedWrappedSecret(_ name: String = "db") -> WrappedSecret {
    WrappedSecret(
        metadata: ObjectMeta(
            name: name, namespace: "payments", uid: "u1", resourceVersion: "10", generation: 3),
        spec: WrappedSecretSpec(
            envelope: EnvelopeFields(
                format: "v1", scope: "strict",
                recipients: [Recipient(keyID: "local:test", wrappedKey: String(repeating: "A", count: 80))],
                mac: Base64.encode([UInt8](repeating: 1, count: 32)),
                data: ["password": Base64.encode([UInt8](repeating: 2, count: 40))])))
}

extension WrappedSecret {
    /// The object as the API server returns it.
    var json: AnyJSON {
        var spec: AnyJSON = [
            "format": .string(self.spec.envelope.format), "scope": .string(self.spec.envelope.scope),
            "mac": .string(self.spec.envelope.mac),
            "recipients": .array(
                self.spec.envelope.recipients.map {
                    ["keyID": .string($0.keyID), "wrappedKey": .string($0.wrappedKey)]
                }),
            "data": .object(self.spec.envelope.data.mapValues { .string($0) }),
        ]
        if let template = self.spec.template {
            var fields: AnyJSON = [:]
            if let type = template.type { fields["type"] = .string(type) }
            if let immutable = template.immutable { fields["immutable"] = .bool(immutable) }
            if let name = template.metadata?.name { fields[["metadata", "name"]] = .string(name) }
            if let labels = template.metadata?.labels {
                fields[["metadata", "labels"]] = .object(labels.mapValues { .string($0) })
            }
            if let data = template.data {
                fields["data"] = .object(data.mapValues { .string($0) })
            }
            spec["template"] = fields
        }
        return [
            "apiVersion": .string(wrappedSecretAPIVersion), "kind": .string(wrappedSecretKind), "spec": spec,
            "metadata": [
                "name": .string(metadata.name), "namespace": .string(metadata.namespace ?? ""),
                "uid": .string(metadata.uid ?? ""), "generation": .int(Int(metadata.generation ?? 1)),
            ],
        ]
    }
}
