import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import TestSupport
import Testing

/// Providers of tenants, with a real API server that issues their tokens and a real OpenBao that knows each tenant.
@Suite(.onRealServers, .dedicatedOpenBao, .serialized)
struct TenancyTests {
    /// The part of a ClusterKeyProvider that lets both namespaces use their own key and role.
    private func fields(_ namespaces: String...) -> String {
        """
        identity: {audience: vault}
        namespaces: {names: [\(namespaces.joined(separator: ", "))]}
        keyProviders: {keys: ["{namespace}"], roles: ["{namespace}"]}
        """
    }

    /// Runs one controller for two tenants. Its own key is local.
    private func withTenants(
        _ body: (Tenant, Tenant, OpenBao, ControllerProgram) async throws -> Void
    ) async throws {
        let bao = try DedicatedOpenBao.required()
        try await TestNamespace.withShared { first in
            try await TestNamespace.withShared { second in
                let tenants = (try await Tenant(first, bao), try await Tenant(second, bao))
                let environment = [
                    "SB_KMS_BACKEND": "local", "SB_ENV": "dev", "SB_WRAP_MASTER_KEY": first.masterKey,
                ]
                try await ControllerProgram.with(
                    first, environment, ["--watch-namespace", second.name]
                ) { controller in
                    try await body(tenants.0, tenants.1, bao, controller)
                }
            }
        }
    }

    @Test func vaultSeesTheTenantAndRefusesACopyOfAnothersWrappedSecret() async throws {
        try await withTenants { a, b, bao, _ in
            try await ClusterProvider.with(bao, a.namespace.cluster, fields(a.name, b.name)) { provider in
                for tenant in [a, b] {
                    try await tenant.createProvider(of: provider.name)
                    try await tenant.providerStatus(.ready)
                }
                let manifest = try await a.wrap("db", ["password": "canary"])
                try await a.namespace.apply(manifest)
                let synced = try await a.namespace.reconciled("db")
                #expect(synced.status?.keyID == "vault-transit:transit/\(a.name)")
                #expect(try await a.namespace.secret("db")?.values == ["password": "canary"])

                // The copy names the other tenant's provider: that one's key is not a recipient.
                var copy = manifest
                copy.metadata.namespace = b.name
                try await b.namespace.apply(copy)
                try await b.namespace.reconciled("db", .noUsableRecipient)

                // The other tenant's provider cannot be pointed at the first tenant's key or role.
                try await b.createProvider("thief", of: provider.name, key: a.name)
                try await b.providerStatus(.providerNotAllowed, of: "thief")
                copy.spec.keyRef?.name = "thief"
                try await b.namespace.apply(copy)
                let refused = try await b.namespace.reconciled("db", .providerNotAllowed)
                let message = refused.status?.condition(.ready)?.message ?? ""
                #expect(message.contains(provider.name), "\(message)")
                #expect(try await b.namespace.secret("db") == nil)
            }
        }
    }

    /// An administrator who lets every tenant name any key still has the role in Vault and the derived context.
    @Test func vaultRefusesAKeyOfAnotherTenantThatAnAdministratorAllows() async throws {
        try await withTenants { a, b, bao, _ in
            let open = fields(a.name, b.name).replacing(#"keys: ["{namespace}"]"#, with: #"keys: ["*"]"#)
            try await ClusterProvider.with(bao, a.namespace.cluster, open) { provider in
                try await b.createProvider("thief", of: provider.name, key: a.name)
                var copy = try await a.wrap("db", ["password": "canary"], provider: "thief")
                copy.metadata.namespace = b.name
                try await b.namespace.apply(copy)
                try await b.namespace.reconciled("db", .unwrapDenied)
                #expect(try await b.namespace.secret("db") == nil)

                // Even with the right to the key, the context of the other namespace does not fit.
                try await bao.bao(
                    "policy", "write", b.name, "-",
                    input: #"path "transit/decrypt/*" { capabilities = ["update"] }"#)
                try await b.namespace.kubectl(
                    "annotate", "wrappedsecret", "db", "secrets-bridge.io/sync=again")
                try await b.namespace.reconciled("db", .decryptFailed)
            }
        }
    }

    @Test func refusesANamespaceThatTheProviderDoesNotAllowBeforeAnyRequest() async throws {
        try await withTenants { a, b, bao, _ in
            let fields = fields(a.name).replacing(
                "audience: vault", with: "audience: vault, serviceAccountName: wrap-reader")
            try await ClusterProvider.with(bao, a.namespace.cluster, fields) { provider in
                try await provider.status(.notTested)
                let before = try bao.auditEntries()
                try await b.namespace.apply(
                    try await b.wrap("db", ["k": "v"], provider: provider.name, kind: "ClusterKeyProvider"))
                let refused = try await b.namespace.reconciled("db", .providerNotAllowed)
                let message = refused.status?.condition(.ready)?.message ?? ""
                #expect(
                    message.contains("ClusterKeyProvider \(provider.name) does not allow namespace \(b.name)")
                )
                // The test itself has wrapped.
                #expect(try bao.requests("auth/kubernetes/login", from: before) == 0)
                #expect(try bao.requests("transit/decrypt/\(b.name)", from: before) == 0)
            }
        }
    }

    @Test func tellsNamespacesByTheirLabels() async throws {
        try await withTenants { a, _, bao, _ in
            let selected = """
                identity: {audience: vault}
                namespaces: {selector: {matchLabels: {team: "\(a.name)"}}}
                keyProviders: {keys: ["{namespace}"], roles: ["{namespace}"]}
                """
            try await ClusterProvider.with(bao, a.namespace.cluster, selected) { provider in
                try await a.createProvider(of: provider.name)
                try await a.namespace.apply(try await a.wrap("db", ["k": "v"]))
                try await a.namespace.reconciled("db", .providerNotAllowed)
                try await a.namespace.cluster.kubectl("label", "namespace", a.name, "team=\(a.name)")
                try await a.namespace.reconciled("db")
                try await a.providerStatus(.ready)
                try await a.namespace.cluster.kubectl("label", "namespace", a.name, "team-")
                try await a.namespace.reconciled("db", .providerNotAllowed)
                try await a.providerStatus(.providerNotAllowed)
                #expect(try await a.namespace.secret("db")?.values == ["k": "v"])
            }
        }
    }

    @Test func appliesChangesOfProvidersWithoutARestartAndLeavesOthersAlone() async throws {
        try await withTenants { a, b, bao, controller in
            let cluster = a.namespace.cluster
            let fields = fields(a.name, b.name)
            try await a.namespace.apply("own", ["k": "own"])
            try await a.namespace.reconciled("own")
            try await ClusterProvider.with(bao, cluster, fields) { first in
                try await ClusterProvider.with(bao, cluster, fields) { second in
                    try await a.createProvider(of: first.name)
                    try await b.createProvider(of: second.name)
                    try await a.namespace.apply(try await a.wrap("db", ["k": "1"]))
                    try await b.namespace.apply(try await b.wrap("db", ["k": "1"]))
                    try await a.namespace.reconciled("db")
                    try await b.namespace.reconciled("db")

                    // Broken: the Secret stays, and a new value waits. The other tenant goes on.
                    try await first.apply(bao, fields, address: "https://127.0.0.1:1")
                    try await a.namespace.apply(try await a.wrap("db", ["k": "2"]))
                    try await a.namespace.reconciled("db", .kmsUnavailable)
                    try await a.providerStatus(.kmsUnavailable)
                    #expect(try await a.namespace.secret("db")?.values == ["k": "1"])
                    try await b.namespace.apply(try await b.wrap("db", ["k": "2"]))
                    try await b.namespace.reconciled("db")

                    try await first.apply(bao, fields)
                    try await a.namespace.secret("db", until: "has the new value") { $0.values == ["k": "2"] }
                    try await a.namespace.reconciled("db")

                    // Deleted: said on both sides, and nothing is lost.
                    try await first.delete()
                    let lost = try await a.namespace.reconciled("db", .providerNotFound)
                    let message = lost.status?.condition(.ready)?.message ?? ""
                    #expect(message.contains(first.name), "\(message)")
                    try await a.providerStatus(.providerNotFound)
                    #expect(try await a.namespace.secret("db")?.values == ["k": "2"])
                    try await first.apply(bao, fields)
                    try await a.namespace.reconciled("db")
                    #expect(!controller.log.contains(#""object":"\(b.name)/db","reason""#))

                    try await a.namespace.kubectl("delete", "keyprovider", "own")
                    try await a.namespace.reconciled("db", .providerNotFound)
                    try await eventually("the deletion has an event") {
                        let events = try await a.namespace.kubectl(
                            "get", "events", "-o", "jsonpath={.items[*].reason}")
                        return events.contains("DeletedInUse")
                    }
                }
            }
        }
    }

    @Test func namesTheMissingRightToRequestTokens() async throws {
        try await withTenants { a, _, bao, _ in
            try await ClusterProvider.with(bao, a.namespace.cluster, fields(a.name)) { provider in
                try await a.namespace.kubectl("delete", "rolebinding", "secrets-bridge-tokens")
                try await a.createProvider(of: provider.name)
                let status = try await a.providerStatus(.accessDenied).status
                #expect(status?.ready?.message.contains("serviceaccounts/token") == true)
                try await a.namespace.kubectl(
                    "create", "rolebinding", "secrets-bridge-tokens", "--role=secrets-bridge-tokens",
                    "--serviceaccount=secrets-bridge:secrets-bridge")
                try await a.providerStatus(.ready)
            }
        }
    }

    /// The user has a Vault token of their own; the settings come from the cluster or from a file.
    @Test func wrapsForAProviderWithTheUsersOwnCredentials() async throws {
        try await withTenants { a, _, bao, _ in
            let cluster = a.namespace.cluster
            try await ClusterProvider.with(bao, cluster, fields(a.name)) { provider in
                try await a.createProvider(of: provider.name)
                let user = [
                    "VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.administratorsToken,
                    "KUBECONFIG": cluster.kubeconfig,
                ]
                func run(_ arguments: String...) async throws -> Program.Outcome {
                    try await Program(try Settings.required().binary, arguments, environment: user).outcome()
                }
                let wrapped = try await run(
                    "wrap", "-n", a.name, "--key-ref", "KeyProvider/own", "--name", "db", "--from-literal",
                    "k=v")
                #expect(wrapped.status == 0, "\(wrapped.errors)")
                try await a.namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
                try await a.namespace.reconciled("db")
                #expect(try await a.namespace.secret("db")?.values == ["k": "v"])

                let folder = try TemporaryFolder()
                let providers = try folder.write(
                    "providers.json",
                    try await a.namespace.kubectl(
                        "get", "clusterkeyprovider/\(provider.name)", "keyprovider/own", "-o", "json"))
                let file = try folder.write("db.yaml", wrapped.output)
                let opened = try await run("unwrap", "--provider-file", providers, file)
                #expect(opened.output.contains("k: dg=="), "\(opened.errors)")
                let second = try await run(
                    "wrap", "-n", a.name, "--key-ref", "keyprovider/own", "--provider-file", providers,
                    "--name",
                    "other", "--from-literal", "k=w")
                #expect(second.status == 0, "\(second.errors)")
                #expect(second.output.contains("keyRef:\n    kind: KeyProvider\n    name: own"))
                let missing = try await run(
                    "wrap", "-n", a.name, "--key-ref", "KeyProvider/none", "--name", "x", "--from-literal",
                    "k=v")
                #expect(missing.status == 1)
                #expect(missing.errors.contains("KeyProvider \(a.name)/none"), "\(missing.errors)")
                withExtendedLifetime(folder) {}
            }
        }
    }
}
