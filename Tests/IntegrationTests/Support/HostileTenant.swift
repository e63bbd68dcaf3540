import Envelope
import Foundation
import HTTPTypes
import Resources
import Testing

@testable import KubeClient

/// A tenant with the role `edit` in one namespace and no other rights, who sends what the command line and the controller
/// never would.
struct HostileTenant: Sendable {
    static let mergePatch = "application/merge-patch+json"
    static let jsonPatch = "application/json-patch+json"
    static let serverSideApply = "application/apply-patch+yaml"

    let namespace: TestNamespace
    /// The key of the controller, with which the developers of the tenant wrap.
    let key: any KeyManager
    private let client: KubeClient

    /// Creates a service account with the role `edit`, to which the manifests add WrappedSecrets and KeyProviders.
    static func create(in namespace: TestNamespace, key: any KeyManager) async throws -> HostileTenant {
        try await namespace.kubectl("create", "serviceaccount", "tenant")
        try await namespace.kubectl(
            "create", "rolebinding", "tenant", "--clusterrole=edit",
            "--serviceaccount=\(namespace.name):tenant")
        let file = "\(namespace.cluster.directory)/tenant.kubeconfig"
        try await namespace.cluster.script("kubeconfig-for", namespace.name, "tenant", file)
        let tenant = HostileTenant(
            namespace: namespace, key: key,
            client: KubeClient(connection: APIConnection(try Cluster.configuration(file))))
        try await eventually("the role edit has the rights on WrappedSecrets") {
            try await tenant.apply("rights")
            return true
        }
        return tenant
    }

    private init(namespace: TestNamespace, key: any KeyManager, client: KubeClient) {
        self.namespace = namespace
        self.key = key
        self.client = client
    }

    /// Sends `body` unchanged, and returns the response.
    ///
    /// - Parameters:
    ///   - name: The object; nil for the collection.
    ///   - foreign: Another namespace than that of the tenant.
    @discardableResult
    func send(
        _ method: HTTPRequest.Method, _ resource: Resource, _ name: String? = nil, subresource: String? = nil,
        in foreign: String? = nil, query: [(String, String)] = [], body: [UInt8] = [],
        type: String = "application/json"
    ) async throws(KubeError) -> Data {
        try await client.perform(
            KubeClient.Request(
                method: method,
                path: resource.path(
                    namespace: foreign ?? namespace.name, name: name, subresource: subresource),
                query: query, body: body.isEmpty ? .none : .bytes(body, contentType: type),
                activity: "\(method) \(resource.kind) \(name ?? "")")
        ) { Data($0) }
    }

    /// Sends a request that the API server must refuse with this code.
    func expectRefusal(
        _ code: KubeError.Code, location: SourceLocation = #_sourceLocation,
        _ request: () async throws -> Void
    ) async throws {
        do {
            try await request()
            Issue.record("the API server accepted the request", sourceLocation: location)
        } catch let error as KubeError {
            #expect(error.code == code, "\(error)", sourceLocation: location)
        }
    }

    /// Sends a request that some versions of the API server refuse with one of these codes.
    ///
    /// - Returns: True if the API server accepts it.
    @discardableResult
    func tolerating(
        _ codes: KubeError.Code..., request: () async throws -> Void
    ) async throws -> Bool {
        do {
            try await request()
            return true
        } catch let error as KubeError where codes.contains(error.code) {
            return false
        }
    }

    func merge(
        _ resource: Resource, _ name: String, _ patch: String, query: [(String, String)] = []
    ) async throws(KubeError) {
        try await send(.patch, resource, name, query: query, body: Array(patch.utf8), type: Self.mergePatch)
    }

    func patch(_ resource: Resource, _ name: String, _ operations: String) async throws(KubeError) {
        try await send(.patch, resource, name, body: Array(operations.utf8), type: Self.jsonPatch)
    }

    /// Creates an object, or merges it into the one that exists.
    func put(_ resource: Resource, _ name: String, _ object: String) async throws(KubeError) {
        do throws(KubeError) {
            try await send(.post, resource, body: Array(object.utf8))
        } catch  where error.code == .alreadyExists {
            try await merge(resource, name, object)
        }
    }

    /// Deletes an object if it exists.
    func delete(_ resource: Resource, _ name: String) async throws(KubeError) {
        do throws(KubeError) {
            try await send(.delete, resource, name)
        } catch  where error.code == .notFound {}
    }
}

extension HostileTenant {
    /// Wraps values for a Secret of the tenant's namespace.
    ///
    /// - Parameter secret: The name of the Secret, if it is not that of the WrappedSecret.
    func wrap(
        _ name: String, _ values: [String: String] = ["password": "hostile"], secret: String? = nil,
        scope: Scope = .strict, policy: String? = nil
    ) async throws -> Manifest {
        let template = secret.map { Manifest.Template(metadata: .init(name: $0)) }
        var manifest = try await namespace.wrap(name, values, scope: scope, template: template, with: key)
        manifest.spec.creationPolicy = policy
        return manifest
    }

    func apply(_ manifest: Manifest) async throws {
        try await put(
            WrappedSecret.resource, manifest.metadata.name,
            String(decoding: try manifest.json(), as: UTF8.self))
    }

    /// Creates the WrappedSecret, or changes it.
    func apply(
        _ name: String, _ values: [String: String] = ["password": "hostile"], secret: String? = nil,
        policy: String? = nil
    ) async throws {
        try await apply(try await wrap(name, values, secret: secret, policy: policy))
    }

    /// Creates a WrappedSecret, and waits until its Secret has the values.
    func sync(
        _ name: String, _ values: [String: String], secret: String? = nil, policy: String? = nil
    ) async throws {
        try await apply(name, values, secret: secret, policy: policy)
        try await namespace.reconciled(name)
        try await namespace.secret(secret ?? name, until: "has the values") { secret in
            values.allSatisfy { secret.values[$0.key] == $0.value }
        }
    }

    /// Applies a manifest and expects that the controller refuses it with this reason, and that its Secret does not exist.
    ///
    /// - Parameter mayBeInvalid: True if an API server that evaluates CEL may refuse it instead.
    func expectBlocked(
        _ manifest: Manifest, _ reason: Reason, mayBeInvalid: Bool = false,
        location: SourceLocation = #_sourceLocation
    ) async throws {
        do {
            try await apply(manifest)
            let object = try await namespace.reconciled(manifest.metadata.name, reason)
            let ready = object.status?.condition(.ready)
            #expect(ready?.status == "False", sourceLocation: location)
            #expect(ready?.message.contains("canary") == false, sourceLocation: location)
        } catch let error as KubeError where mayBeInvalid && error.code == .invalid {}
        let secret = manifest.spec.template?.metadata?.name ?? manifest.metadata.name
        #expect(try await namespace.secret(secret) == nil, sourceLocation: location)
    }

    /// Creates a Secret, or changes it.
    ///
    /// - Parameters:
    ///   - metadata: Members of `metadata` in JSON. By default the label that the controller watches.
    ///   - value: The entry `password`.
    func secret(
        _ name: String, _ metadata: String = #""labels":{"secrets-bridge.io/managed":"true"}"#,
        value: String? = nil
    ) async throws {
        let data = value.map { #","data":\#(Self.data($0))"# } ?? ""
        try await put(
            .secrets, name,
            #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"\#(name)",\#(metadata)}\#(data)}"#)
    }

    /// Returns the JSON of `data` with the entry `password`.
    static func data(_ value: String) -> String {
        #"{"password":"\#(Data(value.utf8).base64EncodedString())"}"#
    }

    /// Returns the JSON of a field of an object's metadata.
    func metadata(_ resource: Resource, _ name: String, _ field: String) async throws -> String {
        struct Missing: Error {}
        let object = try JSONSerialization.jsonObject(with: try await send(.get, resource, name))
        guard let metadata = (object as? [String: Any])?["metadata"] as? [String: Any],
            let value = metadata[field]
        else { throw Missing() }
        return String(
            decoding: try JSONSerialization.data(withJSONObject: value, options: .fragmentsAllowed),
            as: UTF8.self)
    }
}
