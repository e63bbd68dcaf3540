import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// The API server refuses a request: the status has the reason, and the controller recovers once the cause is removed.
@Suite(.onRealServers)
struct ReasonTests {
    private static func message(_ object: WrappedSecret) -> String {
        object.status?.condition(.ready)?.message ?? ""
    }

    private static func eager(_ options: inout Controller.Options) {
        options.maximumRetryDelay = .seconds(1)
        options.unwatchedSecretInterval = .seconds(1)
    }

    @Test func reportsAnExhaustedQuota() async throws {
        try await TestNamespace.withShared { namespace in
            let quota = """
                {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
                 "spec": {"hard": {"count/secrets": "0"}}}
                """
            try await namespace.kubectl("create", "-f", "-", input: Data(quota.utf8))
            // As the quota controller does, which this control plane does not run.
            let status = """
                {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "\(namespace.name)"},
                 "status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}}
                """
            try await namespace.kubectl(
                "replace", "--raw", "/api/v1/namespaces/\(namespace.name)/resourcequotas/few/status", "-f",
                "-",
                input: Data(status.utf8))
            try await RunningController.with(namespace, adjust: Self.eager) { _ in
                try await namespace.apply("db", ["k": "v"])
                let message = Self.message(try await namespace.reconciled("db", .quotaExceeded))
                #expect(message.contains("few"), "\(message)")
                #expect(message.contains("raise the quota"), "\(message)")
                try await namespace.kubectl("delete", "resourcequota", "few")
                try await namespace.reconciled("db")
            }
        }
    }

    @Test func recreatesASecretThatFillsTheQuota() async throws {
        try await TestNamespace.withShared { namespace in
            var manifest = try await namespace.wrap("db", ["k": "1"])
            manifest.spec.recreate = true
            try await RunningController.with(namespace, adjust: Self.eager) { controller in
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let count = try await namespace.kubectl("get", "secrets", "-o", "name").split(separator: "\n")
                    .count
                let quota =
                    #"{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "#
                    + #""spec": {"hard": {"count/secrets": "\#(count)"}}}"#
                try await namespace.kubectl("create", "-f", "-", input: Data(quota.utf8))
                try await use(count, of: count, in: namespace)

                manifest.spec.template = .init(type: "example.com/other")
                try await namespace.apply(manifest)
                // As the quota controller does, which this control plane does not run, once the old Secret is deleted.
                try await eventually("the old Secret is deleted") {
                    try await namespace.secret("db")?.type != "Opaque"
                }
                try await use(count - 1, of: count, in: namespace)
                try await namespace.secret("db", until: "has the other type") {
                    $0.type == "example.com/other" && $0.values == ["k": "1"]
                }
                #expect(controller.key.unwraps(of: "db") == 2, "retries need no unwrap")
                try await namespace.kubectl("delete", "resourcequota", "full")
            }
        }
    }

    /// Sets the used quota, as the quota controller does.
    private func use(_ used: Int, of hard: Int, in namespace: TestNamespace) async throws {
        let status = """
            {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": "\(namespace.name)"},
             "status": {"hard": {"count/secrets": "\(hard)"}, "used": {"count/secrets": "\(used)"}}}
            """
        try await namespace.kubectl(
            "replace", "--raw", "/api/v1/namespaces/\(namespace.name)/resourcequotas/full/status", "-f", "-",
            input: Data(status.utf8))
    }

    @Test func reportsADenyingWebhookWithoutItsQuotations() async throws {
        let webhook = try await DenyingWebhook()
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace, adjust: Self.eager) { controller in
                try await namespace.withDeniedSecretCreation(label: "guarded", by: webhook) {
                    try await namespace.apply(
                        try await namespace.wrap(
                            "db", ["k": "canary"],
                            template: .init(metadata: .init(labels: ["guarded": namespace.name]))))
                    let message = Self.message(try await namespace.reconciled("db", .admissionDenied))
                    #expect(message.contains("closed.example.org"), "\(message)")
                    let quoted = Data("canary".utf8).base64EncodedString()
                    #expect(!message.contains(quoted))
                    #expect(controller.log.lines.allSatisfy { !$0.contains(quoted) })
                }
                try await namespace.reconciled("db")
            }
        }
    }

    @Test func reportsAMissingPermissionToCreateSecrets() async throws {
        try await TestNamespace.withShared { namespace in
            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let kubeconfig = folder.path("kubeconfig")
            try await namespace.installNamespacedRole(without: "create, ")
            try await namespace.cluster.script("kubeconfig-for", "secrets-bridge", "split", kubeconfig)
            try await RunningController.with(namespace, kubeconfig: kubeconfig, adjust: Self.eager) { _ in
                try await namespace.apply("db", ["k": "v"])
                let message = Self.message(try await namespace.reconciled("db", .forbidden))
                #expect(
                    message.contains("creating Secret"),
                    "\(message)")
                #expect(
                    message.contains("manifests/base/rbac.yaml"),
                    "\(message)")
                try await namespace.installNamespacedRole()
                try await namespace.reconciled("db")
            }
        }
    }

    @Test func refusesTooLargeValuesBeforeAnUnwrap() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": String(repeating: "x", count: 1_048_577)])
                let object = try await namespace.reconciled("db", .tooLarge)
                #expect(object.status?.condition(.stalled)?.status == "True")
                #expect(controller.key.unwraps(of: "db") == 0)
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
            }
        }
    }

    @Test func ignoresATerminatingNamespace() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace, adjust: Self.eager) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                // It outlives the Secret, so that a controller could recreate it.
                let lasting = #"{"metadata":{"finalizers":["example.org/hold"]}}"#
                try await namespace.kubectl("patch", "wsec", "db", "--type=merge", "-p", lasting)
                try await namespace.kubectl("create", "configmap", "last")
                try await namespace.kubectl("patch", "configmap", "last", "-p", lasting)
                let before = try await namespace.wrappedSecret("db").status
                try await namespace.cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")
                try await eventually("the Secret is deleted") { try await namespace.secret("db") == nil }
                try await eventually("only the finalizer is left") {
                    try await namespace.wrappedSecret("db").metadata.deletionTimestamp != nil
                }
                #expect(try await namespace.wrappedSecret("db").status == before)
                #expect(controller.log.lines.allSatisfy { !$0.hasPrefix("error") })
                let free = #"{"metadata":{"finalizers":null}}"#
                try await namespace.kubectl("patch", "wsec", "db", "--type=merge", "-p", free)
                try await namespace.kubectl("patch", "configmap", "last", "--type=merge", "-p", free)
                try await eventually("the namespace is deleted") {
                    try await namespace.cluster.tryKubectl("get", "namespace", namespace.name).status != 0
                }
            }
        }
    }

    @Test func waitsWithoutAnUnwrapWhileAFinalizerHoldsTheSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace, adjust: Self.eager) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await namespace.kubectl(
                    "patch", "secret", "db", "-p", #"{"metadata":{"finalizers":["example.org/hold"]}}"#)
                try await controller.catchUp(namespace)
                let unwraps = controller.key.unwraps(of: "db")
                try await namespace.kubectl("delete", "secret", "db", "--wait=false")
                let message = Self.message(try await namespace.reconciled("db", .secretConflict))
                #expect(message.contains("finalizers"), "\(message)")
                #expect(controller.key.unwraps(of: "db") == unwraps)
                let old = try #require(try await namespace.secret("db"))
                try await namespace.kubectl(
                    "patch", "secret", "db", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.metadata.uid != old.metadata.uid)
            }
        }
    }
}
