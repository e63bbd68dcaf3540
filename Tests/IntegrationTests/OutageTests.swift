import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// What is taken from under a running controller, and comes back. On a control plane of this suite's own.
@Suite("Outages", .onRealServers, .dedicatedCluster, .serialized)
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

    @Test(
        "The CRD is missing at the start, comes, is deleted and comes again: said once each time, healed each time"
    )
    func crd() async throws {
        let cluster = try DedicatedCluster.required()
        let file = "\(try Settings.required().repository)/manifests/crds/wrappedsecrets.yaml"
        // As `hack/cluster up --crds` does it on servers that do not know CEL.
        let definition = try await cluster.kubectl(
            "get", "crd", "wrappedsecrets.secrets-bridge.io", "-o", "yaml")
        #expect(FileManager.default.fileExists(atPath: file))
        func remove() async throws {
            try await cluster.kubectl("delete", "crd", "wrappedsecrets.secrets-bridge.io")
        }
        func restore() async throws {
            try await cluster.kubectl("create", "-f", "-", input: Data(definition.utf8))
        }
        try await TestNamespace.with(cluster) { namespace in
            try await remove()
            try await RunningController.with(namespace) { controller in
                try await eventually("it is said") { !warnings(controller, WrappedSecret.resource).isEmpty }
                try await Task.sleep(for: .seconds(5))
                let said = warnings(controller, WrappedSecret.resource)
                #expect(said.count == 1, "\(said)")
                #expect(said.first?.contains("kubectl apply --server-side -f manifests/crds/") == true)
                try await restore()
                try await eventually("db is applied") {
                    try await namespace.apply("db", ["k": "1"])
                    return true
                }
                try await namespace.reconciled("db")
                #expect(recoveries(controller, WrappedSecret.resource) == 1)

                try await remove()
                try await eventually("it is said again") {
                    warnings(controller, WrappedSecret.resource).count == 2
                }
                // The collector takes what has lost its owner; nobody makes it again.
                try await eventually("the Secret is gone") { try await namespace.secret("db") == nil }
                let unwraps = controller.key.unwraps
                try await Task.sleep(for: .seconds(3))
                #expect(controller.key.unwraps - unwraps <= 1)
                try await restore()
                try await eventually("db is applied") {
                    try await namespace.apply("db", ["k": "2"])
                    return true
                }
                try await namespace.secret("db", until: "is made") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                #expect(warnings(controller, WrappedSecret.resource).count == 2)
                #expect(recoveries(controller, WrappedSecret.resource) == 2)
            }
        }
    }

    @Test("Rights are taken away in mid-run and given back: said once, healed, and no object is forgotten")
    func revoked() async throws {
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
                    try await eventually("it is said") { !warnings(controller, resource).isEmpty }
                }
                try await namespace.apply("db", ["k": "2"])
                try await namespace.kubectl("delete", "secret", "db")
                try await Task.sleep(for: .seconds(6))
                #expect(warnings(controller, .secrets).count == 1)
                #expect(warnings(controller, WrappedSecret.resource).count == 1)
                try await cluster.kubectl("create", "-f", "-", input: Data(binding.utf8))
                try await namespace.secret("db", until: "is back") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                for resource in [Resource.secrets, WrappedSecret.resource] {
                    try await eventually("the recovery is said") { recoveries(controller, resource) == 1 }
                }
            }
        }
    }

    @Test("The API server is away: one that stands by survives it, says so once, and takes over afterwards")
    func away() async throws {
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
                try await eventually("it stands by") {
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
    /// The controller's namespace, service account and role.
    fileprivate func installRole() async throws {
        for file in ["namespace", "rbac"] {
            try await kubectl(
                "apply", "-f", "\(try Settings.required().repository)/manifests/base/\(file).yaml")
        }
    }
}
