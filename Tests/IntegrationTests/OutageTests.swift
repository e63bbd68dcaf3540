import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// Removes and restores what a running controller needs, on a dedicated control plane.
@Suite(.onRealServers, .dedicatedCluster, .serialized)
struct OutageTests {
    private func warnings(_ controller: RunningController, _ resource: Resource) -> [String] {
        controller.log.lines.filter {
            $0.hasPrefix("warning watch interrupted") && $0.contains("resource=\(resource.plural)")
        }
    }

    private func recoveries(_ controller: RunningController, _ resource: Resource) -> Int {
        controller.log.lines.count {
            $0.hasPrefix("info watch recovered") && $0.contains("resource=\(resource.plural)")
        }
    }

    @Test func recoversWhenTheCRDIsMissingAndLogsItOnce() async throws {
        let cluster = try DedicatedCluster.required()
        let file = "\(try Settings.required().repository)/manifests/crds/wrappedsecrets.yaml"
        let definition = try await cluster.kubectl(
            "get", "crd", "wrappedsecrets.secrets-bridge.io", "-o", "yaml")
        #expect(FileManager.default.fileExists(atPath: file))
        func remove() async throws {
            try await cluster.kubectl("delete", "crd", "wrappedsecrets.secrets-bridge.io")
        }
        func restore() async throws {
            // The API server before 1.25 does not know all fields of the definition.
            try await cluster.kubectl("create", "--validate=false", "-f", "-", input: Data(definition.utf8))
        }
        /// The warnings that the CRD is missing. A server that deletes or creates one may refuse a request for another reason as
        /// well, as "storage is (re)initializing", which is logged as often as it has to be.
        func reports(_ controller: RunningController) -> [String] {
            warnings(controller, WrappedSecret.resource).filter {
                $0.contains("kubectl apply --server-side -f manifests/crds/")
            }
        }
        try await TestNamespace.with(cluster) { namespace in
            try await remove()
            try await RunningController.with(namespace) { controller in
                try await eventually("the failure is logged") { !reports(controller).isEmpty }
                try await Task.sleep(for: .seconds(5))
                #expect(reports(controller).count == 1)
                try await restore()
                try await eventually("db is applied") {
                    try await namespace.apply("db", ["k": "1"])
                    return true
                }
                try await namespace.reconciled("db")
                #expect(recoveries(controller, WrappedSecret.resource) == 1)

                try await remove()
                try await eventually("the failure is logged again") {
                    reports(controller).count == 2
                }
                // The garbage collector deletes the Secret without an owner; the controller does not recreate it.
                try await eventually("the Secret is deleted") { try await namespace.secret("db") == nil }
                let unwraps = controller.key.unwraps
                try await Task.sleep(for: .seconds(3))
                #expect(controller.key.unwraps - unwraps <= 1)
                try await restore()
                try await eventually("db is applied") {
                    try await namespace.apply("db", ["k": "2"])
                    return true
                }
                try await namespace.secret("db", until: "is created") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                #expect(reports(controller).count == 2)
                #expect(recoveries(controller, WrappedSecret.resource) == 2)
            }
        }
    }

    @Test func recoversFromRevokedPermissionsAndLogsItOnce() async throws {
        let cluster = try DedicatedCluster.required()
        try await cluster.installRole()
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let kubeconfig = folder.path("kubeconfig")
        try await cluster.script("kubeconfig-for", "secrets-bridge", "secrets-bridge", kubeconfig)
        try await TestNamespace.with(cluster) { namespace in
            try await RunningController.with(
                namespace, kubeconfig: kubeconfig,
                adjust: {
                    $0.timing.watchSeconds = 4...5
                    $0.maximumRetryDelay = .seconds(5)
                }
            ) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                let binding = try await cluster.kubectl(
                    "get", "clusterrolebinding", "secrets-bridge", "-o", "yaml")
                try await cluster.kubectl("delete", "clusterrolebinding", "secrets-bridge")
                for resource in [Resource.secrets, WrappedSecret.resource] {
                    try await eventually("the failure is logged") { !warnings(controller, resource).isEmpty }
                }
                try await namespace.apply("db", ["k": "2"])
                try await namespace.kubectl("delete", "secret", "db")
                try await Task.sleep(for: .seconds(6))
                #expect(warnings(controller, .secrets).count == 1)
                #expect(warnings(controller, WrappedSecret.resource).count == 1)
                try await cluster.kubectl("create", "-f", "-", input: Data(binding.utf8))
                try await namespace.secret("db", until: "is restored") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                for resource in [Resource.secrets, WrappedSecret.resource] {
                    try await eventually("the recovery is logged") { recoveries(controller, resource) == 1 }
                }
            }
        }
    }

    @Test func aStandbySurvivesAnOutageOfTheAPIServer() async throws {
        let cluster = try DedicatedCluster.required()
        try await TestNamespace.with(cluster) { namespace in
            let lease = ObjectRef(namespace: namespace.name, name: "away")
            try await cluster.kubectl(
                "create", "-f", "-",
                input: Data(
                    #"""
                    {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"away","namespace":"\#(namespace.name)"},
                    "spec":{"holderIdentity":"gone","leaseDurationSeconds":40,"leaseTransitions":1}}
                    """#.utf8))
            try await RunningController.with(namespace, lease: lease) { controller in
                try await eventually("it is a standby") {
                    controller.log.lines.contains { $0.hasPrefix("info standing by") }
                }
                try await cluster.script("stop-apiserver")
                try await Task.sleep(for: .seconds(25))
                let leaseWarnings = controller.log.lines.filter {
                    $0.hasPrefix("warning lease cannot be used")
                }
                #expect((1...2).contains(leaseWarnings.count), "\(leaseWarnings)")
                #expect((1...2).contains(warnings(controller, .secrets).count))
                try await cluster.script("start-apiserver")
                try await eventually("db is applied") {
                    try await namespace.apply("db", ["k": "1"])
                    return true
                }
                try await namespace.reconciled("db")
                #expect(controller.log.lines.count { $0.hasPrefix("info lease can be used again") } == 1)
            }
        }
    }
}

extension Cluster {
    /// Creates the namespace, service account and role of the controller.
    fileprivate func installRole() async throws {
        for file in ["namespace", "rbac"] {
            try await kubectl(
                "apply", "-f", "\(try Settings.required().repository)/manifests/base/\(file).yaml")
        }
    }
}
