import Cryptography
import Envelope
import Foundation
import HTTPTypes
import JSON
import Resources

@testable import KubeClient

/// A Secret with its data, as a pod would see it.
struct SecretObject: KubeObject {
    static var resource: Resource { .secrets }
    let metadata: ObjectMeta
    let type: String
    let immutable: Bool?
    private let data: [String: String]?

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var type: String?
        var immutable: Bool?
        var data: [String: String]?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "type": type = try json.read()
            case "immutable": immutable = try json.readOptional()
            case "data": data = try json.readOptional()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        self.type = try json.require(type, "type")
        self.immutable = immutable
        self.data = data
    }

    /// The values as text.
    var values: [String: String] {
        (data ?? [:]).mapValues { String(decoding: Data(base64Encoded: $0) ?? Data(), as: UTF8.self) }
    }
}

extension Resource {
    static let namespaces = Resource(group: "", version: "v1", kind: "Namespace", plural: "namespaces")
}

/// A WrappedSecret manifest as `wrap` writes it; tests modify its fields before they apply it.
struct Manifest: Encodable, Sendable {
    struct Metadata: Encodable, Sendable {
        var name: String
        var namespace: String
    }

    struct Spec: Encodable, Sendable {
        struct Recipient: Encodable, Sendable {
            var keyID: String
            var wrappedKey: String
        }

        struct Workload: Encodable, Sendable {
            var kind: String
            var name: String
        }

        struct KeyRef: Encodable, Sendable {
            var kind: String
            var name: String
        }

        var format: String
        var scope: String
        var recipients: [Recipient]
        var mac: String
        var data: [String: String]
        var template: Template?
        var keyRef: KeyRef?
        var suspend: Bool?
        var creationPolicy: String?
        var recreate: Bool?
        var rolloutRestart: [Workload]?
    }

    struct Template: Encodable, Sendable {
        struct Metadata: Encodable, Sendable {
            var name: String?
            var labels: [String: String]?
            var annotations: [String: String]?
        }

        var metadata: Metadata?
        var type: String?
        var immutable: Bool?
        var data: [String: String]?
    }

    let apiVersion = WrappedSecret.resource.apiVersion
    let kind = WrappedSecret.resource.kind
    var metadata: Metadata
    var spec: Spec

    /// Wraps `values` for the Secret `name`, or that of the template, in `namespace`.
    init(
        _ name: String, in namespace: String, _ values: [String: String], scope: Scope = .strict,
        template: Template? = nil, with key: any KeyManager
    ) async throws {
        let binding = try Binding(
            scope: scope, namespace: namespace, secretName: template?.metadata?.name ?? name)
        let entries = values.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8)) }
        let fields = try await Envelope.seal(entries, binding: binding, with: key).fields
        metadata = Metadata(name: name, namespace: namespace)
        spec = Spec(
            format: fields.format, scope: fields.scope,
            recipients: fields.recipients.map { .init(keyID: $0.keyID, wrappedKey: $0.wrappedKey) },
            mac: fields.mac, data: fields.data, template: template)
    }

    var ref: ObjectRef { ObjectRef(namespace: metadata.namespace, name: metadata.name) }

    func json() throws -> Data {
        let encoder = JSONEncoder()
        // Server-side apply reads YAML, which does not have the escape \/.
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return try encoder.encode(self)
    }
}

extension KubeClient {
    /// Deletes an object with a propagation policy, which the product leaves to the API server.
    func delete(_ resource: Resource, _ ref: ObjectRef, propagation: String) async throws {
        let options = #"{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"\#(propagation)"}"#
        try await perform(
            Request(
                method: .delete, path: resource.path(namespace: ref.namespace, name: ref.name),
                body: .bytes(Array(options.utf8), contentType: "application/json"),
                activity: "deleting \(resource.kind) \(ref)")
        ) { _ in }
    }
}
