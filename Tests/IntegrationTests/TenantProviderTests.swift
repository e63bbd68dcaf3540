import Foundation
import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Providers of others. Nothing listens at their address: a request would be a failure of another kind.
    @Suite struct TenantProviderTests {
        /// A ClusterKeyProvider for the victim's namespace, which has a KeyProvider `own`.
        private func withProvider(
            _ body: (TenantStage, ClusterProvider) async throws -> Void
        ) async throws {
            try await TenantStage.attempt { stage in
                let victim = stage.victims.namespace
                let spec = """
                    vaultTransit: {address: "https://127.0.0.1:1", key: shared, role: shared}
                    identity: {audience: vault, serviceAccountName: wrap-reader}
                    namespaces: {names: [\(victim.name)]}
                    keyProviders: {keys: ["{namespace}"], roles: ["{namespace}"]}
                    """
                try await ClusterProvider.with(stage.cluster, spec: spec) { provider in
                    try await victim.createProvider(
                        "own", of: provider.name, key: victim.name, role: victim.name)
                    try await body(stage, provider)
                    try await victim.kubectl("delete", "keyprovider", "own")
                }
            }
        }

        private func referring(_ tenant: HostileTenant, _ kind: String, _ name: String) async throws
            -> Manifest
        {
            var manifest = try await tenant.wrap("db")
            manifest.spec.keyRef = .init(kind: kind, name: name)
            return manifest
        }

        private func keyProvider(_ name: String, of cluster: String, _ fields: String = "") -> String {
            #"{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"KeyProvider","metadata":{"name":"\#(name)"},"#
                + #""spec":{"clusterKeyProvider":"\#(cluster)","serviceAccountName":"wrap-reader"\#(fields)}}"#
        }

        @Test func aClusterKeyProviderOfOthersIsNotUsed() async throws {
            try await withProvider { stage, provider in
                try await stage.tenant.expectBlocked(
                    try await referring(stage.tenant, "ClusterKeyProvider", provider.name),
                    .providerNotAllowed)
            }
        }

        @Test func aKeyProviderOfOthersIsNotFound() async throws {
            try await withProvider { stage, _ in
                try await stage.tenant.expectBlocked(
                    try await referring(stage.tenant, "KeyProvider", "own"), .providerNotFound)
            }
        }

        @Test func anOwnKeyProviderForAClusterKeyProviderOfOthersIsNotUsed() async throws {
            try await withProvider { stage, provider in
                let victim = stage.victims.namespace.name
                let fields = #","key":"\#(victim)","role":"\#(victim)""#
                try await stage.tenant.put(
                    KeyProvider.resource, "thief", keyProvider("thief", of: provider.name, fields))
                try await stage.tenant.namespace.providerStatus(.providerNotAllowed, of: "thief")
                try await stage.tenant.expectBlocked(
                    try await referring(stage.tenant, "KeyProvider", "thief"), .providerNotAllowed)
            }
        }

        @Test func aKeyProviderNamesNoServer() async throws {
            try await withProvider { stage, provider in
                let fields =
                    #","vaultTransit":{"address":"https://127.0.0.1:2"},"address":"https://127.0.0.1:2","identity":{"audience":"x"}"#
                try await stage.tenant.put(
                    KeyProvider.resource, "server", keyProvider("server", of: provider.name, fields))
                let stored = String(
                    decoding: try await stage.tenant.send(.get, KeyProvider.resource, "server"), as: UTF8.self
                )
                #expect(!stored.contains("127.0.0.1:2"))
                try await stage.tenant.namespace.providerStatus(.providerNotAllowed, of: "server")
            }
        }

        @Test func administratorsAloneWriteClusterKeyProviders() async throws {
            try await withProvider { stage, provider in
                let namespaces = #"{"spec":{"namespaces":{"names":["\#(stage.tenant.namespace.name)"]}}}"#
                try await stage.tenant.expectRefusal(.forbidden) {
                    try await stage.tenant.send(
                        .patch, ClusterKeyProvider.resource, provider.name, in: "",
                        body: Array(namespaces.utf8),
                        type: HostileTenant.mergePatch)
                }
                try await stage.tenant.expectRefusal(.forbidden) {
                    try await stage.tenant.send(
                        .delete, ClusterKeyProvider.resource, provider.name, in: "")
                }
            }
        }

        @Test func manyKeyProvidersDelayNoOtherNamespace() async throws {
            try await withProvider { stage, provider in
                try await stage.whileRepeating { tenant in
                    for number in 0..<100 {
                        let cluster = number.isMultiple(of: 2) ? provider.name : "none-\(number)"
                        try await tenant.put(
                            KeyProvider.resource, "p\(number)",
                            keyProvider(
                                "p\(number)", of: cluster, #","key":"\#(UInt32.random(in: 0...9999))""#))
                    }
                }
                try await stage.tenant.namespace.providerStatus(.providerNotFound, of: "p99")
            }
        }
    }
}
