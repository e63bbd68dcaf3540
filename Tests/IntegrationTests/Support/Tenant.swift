import Envelope
import Foundation
import KubeClient
import Resources

/// A team with a key, a Vault role and a service account of its own, set up as docs/tenancy.md says.
struct Tenant: Sendable {
    let namespace: TestNamespace
    let bao: OpenBao
    /// The key, the policy and the role have the name of the namespace.
    var name: String { namespace.name }

    init(_ namespace: TestNamespace, _ bao: OpenBao) async throws {
        self.namespace = namespace
        self.bao = bao
        try await bao.bao(
            "write", "-f", "transit/keys/\(namespace.name)", "type=aes256-gcm96", "derived=true")
        try await bao.bao(
            "policy", "write", namespace.name, "-",
            input: """
                path "transit/decrypt/\(namespace.name)" { capabilities = ["update"] }
                path "transit/datakey/plaintext/\(namespace.name)" { capabilities = ["update"] }
                """)
        try await bao.bao(
            "write", "auth/kubernetes/role/\(namespace.name)", "bound_service_account_names=wrap-reader",
            "bound_service_account_namespaces=\(namespace.name)", "audience=vault",
            "token_policies=\(namespace.name)", "token_ttl=10m")
        try await namespace.kubectl("apply", "-f", "-", input: Data(Self.role.utf8))
    }

    /// The service account, and the right of the controller to request its tokens.
    private static let role = """
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: wrap-reader}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: secrets-bridge-tokens}
        rules:
        - apiGroups: [""]
          resources: [serviceaccounts/token]
          resourceNames: [wrap-reader]
          verbs: [create]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: secrets-bridge-tokens}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: secrets-bridge-tokens}
        subjects:
        - {kind: ServiceAccount, name: secrets-bridge, namespace: secrets-bridge}
        """

    /// Creates a KeyProvider for the tenant's key.
    func createProvider(
        _ name: String = "own", of cluster: String, key: String? = nil, role: String? = nil
    ) async throws {
        let manifest = """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: KeyProvider
            metadata: {name: \(name)}
            spec:
              clusterKeyProvider: \(cluster)
              serviceAccountName: wrap-reader
              key: \(key ?? self.name)
              role: \(role ?? self.name)
            """
        try await namespace.kubectl("apply", "-f", "-", input: Data(manifest.utf8))
    }

    /// Wraps values with the tenant's key for the provider.
    func wrap(
        _ name: String, _ values: [String: String], provider: String = "own", kind: String = "KeyProvider",
        scope: Scope = .strict
    ) async throws -> Manifest {
        var manifest = try await namespace.wrap(
            name, values, scope: scope, with: try bao.administratorsKey(self.name))
        manifest.spec.keyRef = .init(kind: kind, name: provider)
        return manifest
    }

    /// Waits until the provider's condition Ready has this reason.
    @discardableResult
    func providerStatus(_ reason: KeyProviderReason, of name: String = "own") async throws -> KeyProvider {
        try await eventually("KeyProvider \(name) is \(reason.rawValue)") {
            let provider = try await namespace.cluster.admin.get(KeyProvider.self, namespace.ref(name))
            return provider.status?.ready?.reason == reason.rawValue ? provider : nil
        }
    }
}

/// A ClusterKeyProvider of a test, which is deleted after it.
struct ClusterProvider: Sendable {
    let name: String
    let cluster: Cluster

    /// The fields of `spec` besides `vaultTransit`.
    static func with(
        _ bao: OpenBao, _ cluster: Cluster, _ fields: String, address: String? = nil,
        _ body: (ClusterProvider) async throws -> Void
    ) async throws {
        let provider = ClusterProvider(
            name: "vault-\(UUID().uuidString.lowercased().prefix(8))", cluster: cluster)
        try await provider.apply(bao, fields, address: address)
        do {
            try await body(provider)
        } catch {
            try? await provider.delete()
            throw error
        }
        try await provider.delete()
    }

    func apply(_ bao: OpenBao, _ fields: String, address: String? = nil) async throws {
        let authorities = try String(contentsOfFile: bao.authorities, encoding: .utf8)
        let manifest = """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: ClusterKeyProvider
            metadata: {name: \(name)}
            spec:
              vaultTransit:
                address: \(address ?? bao.address)
                key: sb-wrap
                role: secrets-bridge
                caBundle: |
            \(authorities.split(separator: "\n").map { "      \($0)" }.joined(separator: "\n"))
            \(fields.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
            """
        try await cluster.kubectl("apply", "--server-side", "-f", "-", input: Data(manifest.utf8))
    }

    func delete() async throws {
        try await cluster.kubectl("delete", "clusterkeyprovider", name, "--ignore-not-found")
    }

    /// Waits until the condition Ready has this reason.
    @discardableResult
    func status(_ reason: KeyProviderReason) async throws -> ClusterKeyProvider {
        try await eventually("\(name) is \(reason.rawValue)") {
            let provider = try await cluster.admin.get(
                ClusterKeyProvider.self, ObjectRef(namespace: "", name: name))
            return provider.status?.ready?.reason == reason.rawValue ? provider : nil
        }
    }
}
