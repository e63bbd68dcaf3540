import Foundation
import KubeClient
import Resources

extension TestNamespace {
    /// Creates the service account of the team, and lets the controller request its tokens, as docs/tenancy.md says.
    func installTokenRole() async throws {
        let manifest = """
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
        try await kubectl("apply", "-f", "-", input: Data(manifest.utf8))
    }

    /// Creates a KeyProvider that logs in as the service account of the team.
    func createProvider(_ name: String, of cluster: String, key: String, role: String) async throws {
        let manifest = """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: KeyProvider
            metadata: {name: \(name)}
            spec:
              clusterKeyProvider: \(cluster)
              serviceAccountName: wrap-reader
              key: \(key)
              role: \(role)
            """
        try await kubectl("apply", "-f", "-", input: Data(manifest.utf8))
    }

    /// Waits until the condition Ready of a KeyProvider has this reason.
    @discardableResult
    func providerStatus(_ reason: KeyProviderReason, of name: String) async throws -> KeyProvider {
        var seen = "nothing"
        do {
            return try await eventually("KeyProvider \(name) is \(reason.rawValue)") {
                let provider = try await cluster.admin.get(KeyProvider.self, ref(name))
                let ready = provider.status?.ready
                seen = ready.map { "\($0.reason): \($0.message)" } ?? "no condition Ready"
                return ready?.reason == reason.rawValue ? provider : nil
            }
        } catch let timeout as Timeout {
            throw Timeout(what: timeout.what, last: timeout.last ?? seen)
        }
    }
}

/// A ClusterKeyProvider of a test, which is deleted after it.
struct ClusterProvider: Sendable {
    let name: String
    let cluster: Cluster

    /// - Parameter spec: The fields of `spec` in YAML.
    static func with(
        _ cluster: Cluster, spec: String, _ body: (ClusterProvider) async throws -> Void
    ) async throws {
        let provider = ClusterProvider(
            name: "kms-\(UUID().uuidString.lowercased().prefix(8))", cluster: cluster)
        try await provider.apply(spec: spec)
        do {
            try await body(provider)
        } catch {
            try? await provider.delete()
            throw error
        }
        try await provider.delete()
    }

    func apply(spec: String) async throws {
        let lines = spec.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
        let manifest = """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: ClusterKeyProvider
            metadata: {name: \(name)}
            spec:
            \(lines)
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
