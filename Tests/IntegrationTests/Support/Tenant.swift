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
        try await namespace.installTokenRole()
    }

    /// Creates a KeyProvider for the tenant's key.
    func createProvider(
        _ name: String = "own", of cluster: String, key: String? = nil, role: String? = nil
    ) async throws {
        try await namespace.createProvider(
            name, of: cluster, key: key ?? self.name, role: role ?? self.name)
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

    @discardableResult
    func providerStatus(_ reason: KeyProviderReason, of name: String = "own") async throws -> KeyProvider {
        try await namespace.providerStatus(reason, of: name)
    }
}

extension ClusterProvider {
    /// - Parameter fields: The fields of `spec` besides `vaultTransit`.
    static func with(
        _ bao: OpenBao, _ cluster: Cluster, _ fields: String, address: String? = nil,
        _ body: (ClusterProvider) async throws -> Void
    ) async throws {
        try await with(cluster, spec: try spec(bao, fields, address), body)
    }

    func apply(_ bao: OpenBao, _ fields: String, address: String? = nil) async throws {
        try await apply(spec: try Self.spec(bao, fields, address))
    }

    private static func spec(_ bao: OpenBao, _ fields: String, _ address: String?) throws -> String {
        let authorities = try String(contentsOfFile: bao.authorities, encoding: .utf8)
        return """
            vaultTransit:
              address: \(address ?? bao.address)
              key: sb-wrap
              role: secrets-bridge
              caBundle: |
            \(authorities.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
            \(fields)
            """
    }
}
