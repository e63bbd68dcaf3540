import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// `spec.rolloutRestart`: workloads get new pods after the values have changed.
@Suite(.onRealServers, .serialized)
struct RolloutRestartTests {
    private static func makeDeployment(
        _ name: String, allow: String? = nil, kind: String = "Deployment", _ namespace: TestNamespace
    ) async throws {
        let annotations =
            allow.map { #", "annotations": {"\#(OwnershipMetadata.allowRestartAnnotation)": "\#($0)"}"# }
            ?? ""
        let service = kind == "StatefulSet" ? #""serviceName": "x","# : ""
        let workload = """
            {"apiVersion": "apps/v1", "kind": "\(kind)", "metadata": {"name": "\(name)"\(annotations)},
             "spec": {\(service) "selector": {"matchLabels": {"app": "\(name)"}},
               "template": {"metadata": {"labels": {"app": "\(name)"}},
                 "spec": {"containers": [{"name": "main", "image": "example.org/none"}]}}}}
            """
        try await namespace.kubectl("create", "-f", "-", input: Data(workload.utf8))
    }

    /// Returns the generation of a workload, which each change of its pod template raises.
    private static func generation(_ workload: String, _ namespace: TestNamespace) async throws -> String {
        try await namespace.kubectl("get", workload, "-o", "jsonpath={.metadata.generation}")
    }

    private static func restarts(
        _ names: [(kind: String, name: String)], _ values: [String: String], _ namespace: TestNamespace
    ) async throws -> Manifest {
        var manifest = try await namespace.wrap("db", values)
        manifest.spec.rolloutRestart = names.map { .init(kind: $0.kind, name: $0.name) }
        return manifest
    }

    /// Waits until the condition has `reason`.
    @discardableResult
    private static func condition(_ reason: String, _ namespace: TestNamespace) async throws -> Condition {
        try await eventually("RolloutRestarted is \(reason)") {
            let object = try await namespace.wrappedSecret("db")
            guard let condition = object.status?.condition(.rolloutRestarted), condition.reason == reason,
                condition.observedGeneration == object.metadata.generation
            else { return nil }
            return condition
        }
    }

    @Test func restartsPermittingWorkloadsOnceAfterAChangeOfValues() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeDeployment("api", allow: "other, db", namespace)
            try await Self.makeDeployment("set", allow: "*", kind: "StatefulSet", namespace)
            let all = [(kind: "Deployment", name: "api"), (kind: "StatefulSet", name: "set")]
            try await RunningController.with(namespace) { controller in
                var manifest = try await Self.restarts(all, ["k": "1"], namespace)
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                manifest.spec.template = .init(metadata: .init(labels: ["team": "a"]))
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                try await namespace.kubectl("delete", "secret", "db")
                try await controller.catchUp(namespace)
                #expect(try await Self.generation("deployment/api", namespace) == "1")

                var next = try await Self.restarts(all, ["k": "2"], namespace)
                next.spec.template = manifest.spec.template
                try await namespace.apply(next)
                let condition = try await Self.condition("Restarted", namespace)
                #expect(condition.status == "True")
                for workload in ["deployment/api", "statefulset/set"] {
                    #expect(try await Self.generation(workload, namespace) == "2", "\(workload)")
                }
                let object = try await namespace.wrappedSecret("db")
                #expect(object.status?.rolloutRestart?.mac == next.spec.mac)
                #expect(object.status?.condition(.ready)?.status == "True")
            }
            try await RunningController.with(namespace) { controller in
                try await controller.catchUp(namespace)
                #expect(try await Self.generation("deployment/api", namespace) == "2")
                #expect(controller.key.unwraps(of: "db") == 0)
            }
        }
    }

    @Test func namesMissingAndForbiddenWorkloadsAndCatchesUp() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeDeployment("api", namespace)
            try await Self.makeDeployment("eager", allow: "*", namespace)
            let all = ["api", "eager", "later"].map { (kind: "Deployment", name: $0) }
            try await RunningController.with(namespace, adjust: { $0.maximumRetryDelay = .seconds(1) }) {
                controller in
                try await namespace.apply(try await Self.restarts(all, ["k": "1"], namespace))
                try await namespace.reconciled("db")
                try await namespace.apply(try await Self.restarts(all, ["k": "2"], namespace))
                let condition = try await Self.condition("RestartNotAllowed", namespace)
                #expect(condition.status == "False")
                #expect(condition.message.contains("Deployment api"))
                #expect(condition.message.contains("Deployment later"))
                try await namespace.reconciled("db")

                try await namespace.kubectl(
                    "annotate", "deployment", "api", "\(OwnershipMetadata.allowRestartAnnotation)=db")
                try await Self.condition("WorkloadMissing", namespace)
                try await Self.makeDeployment("later", allow: "db", namespace)
                try await Self.condition("Restarted", namespace)
                // The number of attempts does not matter.
                #expect(try await Self.generation("deployment/eager", namespace) == "2")
                // Annotations of a Deployment raise its generation too.
                #expect(try await Self.generation("deployment/api", namespace) == "3")
                #expect(controller.key.unwraps(of: "db") == 2)
            }
        }
    }

    @Test func namesTheManifestThatGrantsThePermissionAndCatchesUp() async throws {
        try await TestNamespace.withShared { namespace in
            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let kubeconfig = folder.path("kubeconfig")
            try await namespace.installNamespacedRole()
            try await namespace.cluster.script("kubeconfig-for", "secrets-bridge", "split", kubeconfig)
            try await Self.makeDeployment("api", allow: "db", namespace)
            let all = [(kind: "Deployment", name: "api")]
            try await RunningController.with(
                namespace, kubeconfig: kubeconfig, adjust: { $0.maximumRetryDelay = .seconds(1) }
            ) { _ in
                try await namespace.apply(try await Self.restarts(all, ["k": "1"], namespace))
                try await namespace.reconciled("db")
                try await namespace.apply(try await Self.restarts(all, ["k": "2"], namespace))
                let condition = try await Self.condition("Forbidden", namespace)
                #expect(
                    condition.message.contains("manifests/rollout-restart-rbac.yaml"), "\(condition.message)")

                let settings = try Settings.required()
                try await namespace.kubectl(
                    "apply", "-f", "\(settings.repository)/manifests/rollout-restart-rbac.yaml")
                try await namespace.kubectl(
                    "create", "rolebinding", "restart", "--clusterrole=secrets-bridge-rollout-restart",
                    "--serviceaccount=secrets-bridge:split")
                try await Self.condition("Restarted", namespace)
                #expect(try await Self.generation("deployment/api", namespace) == "2")
            }
        }
    }
}
