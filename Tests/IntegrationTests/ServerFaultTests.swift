import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// Faults of the API server, on a dedicated control plane.
@Suite(.onRealServers, .dedicatedCluster, .serialized)
struct ServerFaultTests {
    @Test func seesChangesAfterARestartOfTheAPIServer() async throws {
        let cluster = try DedicatedCluster.required()
        try await TestNamespace.with(cluster) { namespace in
            try await RunningController.with(namespace) { controller in
                for index in 0..<10 { try await namespace.apply("db-\(index)", ["k": "1"]) }
                for index in 0..<10 { try await namespace.reconciled("db-\(index)") }
                try await cluster.script("restart-apiserver")
                try await namespace.applyAfterRestart("db-0", ["k": "2"])
                try await namespace.reconciled("db-0")
                try await namespace.secret("db-0", until: "has the new value") { $0.values == ["k": "2"] }
                try await namespace.kubectl("delete", "secret", "db-1")
                try await namespace.secret("db-1", until: "is restored") { $0.values == ["k": "1"] }
                try await controller.catchUp(namespace)
                for index in 2..<10 { #expect(controller.key.unwraps(of: "db-\(index)") == 1) }
                #expect(!controller.log.lines.contains { $0.contains("stopped") })
            }
        }
    }

    @Test func detectsASilentWatchAfterARestoreOfEtcd() async throws {
        let cluster = try DedicatedCluster.required()
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let snapshot = folder.path("snapshot.tar")
        try await TestNamespace.with(cluster) { namespace in
            try await namespace.apply("unsynced", ["k": "1"])
            try await namespace.apply("changed", ["k": "1"])
            try await cluster.script("snapshot", snapshot)
            try await RunningController.with(
                namespace,
                adjust: {
                    $0.timing.watchSeconds = 4...5
                    $0.timing.shortWatchSeconds = 4
                }
            ) { controller in
                try await namespace.reconciled("unsynced")
                try await namespace.reconciled("changed")
                try await namespace.apply("changed", ["k": "2"])
                try await namespace.secret("changed", until: "has the new value") { $0.values == ["k": "2"] }
                try await namespace.apply("later", ["k": "later"])
                try await namespace.reconciled("later")
                try await controller.catchUp(namespace)
                // The restored etcd does not reach these revisions during this test.
                for round in 0..<300 {
                    _ = try await cluster.admin.patch(
                        .secrets, namespace.ref("later"),
                        .merge(body: Array(#"{"metadata":{"annotations":{"round":"\#(round)"}}}"#.utf8)))
                }
                try await cluster.script("restore", snapshot)

                try await namespace.secret("unsynced", until: "is recreated") { $0.values == ["k": "1"] }
                try await namespace.secret("changed", until: "has the restored value") {
                    $0.values == ["k": "1"]
                }
                try await namespace.reconciled("unsynced")
                try await namespace.reconciled("changed")
                #expect(try await namespace.secret("later") == nil)
                try await namespace.apply("unsynced", ["k": "after"])
                try await namespace.secret("unsynced", until: "is updated") { $0.values == ["k": "after"] }
                try await namespace.reconciled("unsynced")
                try await namespace.apply("later", ["k": "again"])
                try await namespace.secret("later", until: "is created") { $0.values == ["k": "again"] }
                try await namespace.reconciled("later")
            }
        }
    }

    @Test func readsARevokedTokenAgainFromItsFile() async throws {
        let cluster = try DedicatedCluster.required()
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let kubeconfig = folder.path("kubeconfig")
        try await TestNamespace.with(cluster) { namespace in
            try await namespace.kubectl("create", "serviceaccount", "controller")
            try await namespace.kubectl(
                "create", "clusterrolebinding", namespace.name, "--clusterrole=cluster-admin",
                "--serviceaccount=\(namespace.name):controller")
            try await cluster.script("kubeconfig-for", namespace.name, "controller", kubeconfig)
            // The token becomes invalid with the object that it is bound to.
            func token(_ binding: String) async throws -> String {
                try await namespace.kubectl("create", "secret", "generic", binding)
                return try await namespace.kubectl(
                    "create", "token", "controller", "--bound-object-kind=Secret",
                    "--bound-object-name=\(binding)")
            }
            let file = URL(filePath: kubeconfig + ".token")
            try Data(try await token("first").utf8).write(to: file, options: .atomic)

            try await RunningController.with(
                namespace, kubeconfig: kubeconfig, adjust: { $0.timing.watchSeconds = 4...5 }
            ) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await namespace.kubectl("delete", "secret", "first")
                try await eventually("the token is refused") {
                    controller.transport.requests.contains { $0.status == 401 }
                }
                try await namespace.apply("db", ["k": "2"])
                try Data(try await token("second").utf8).write(to: file, options: .atomic)
                try await namespace.secret("db", until: "is updated") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                try await namespace.kubectl("delete", "clusterrolebinding", namespace.name)
            }
        }
    }

    @Test func reportsObjectsThatAnOlderCRDAccepted() async throws {
        let cluster = try DedicatedCluster.required()
        try await TestNamespace.with(cluster) { namespace in
            try await namespace.apply("good", ["k": "1"])
            let loose = #"""
                [{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema",\#
                "value":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}]
                """#
            let strict = try await cluster.kubectl(
                "get", "crd", "wrappedsecrets.secrets-bridge.io", "-o",
                "jsonpath={.spec.versions[0].schema.openAPIV3Schema}")
            try await cluster.kubectl(
                "patch", "crd", "wrappedsecrets.secrets-bridge.io", "--type=json", "-p", loose)
            let specs = [
                "no-spec": "null", "text": #""text""#,
                "no-mac": #"{"format":"v1","scope":"strict","recipients":[]}"#,
                "number": #"{"format":1,"scope":"strict","recipients":[],"mac":"","data":{}}"#,
                "list": #"{"format":"v1","scope":"strict","recipients":[],"mac":"","data":["a"]}"#,
            ]
            for (name, spec) in specs {
                let json = """
                    {"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret",\
                    "metadata":{"name":"\(name)"},"spec":\(spec)}
                    """
                try await eventually("\(name) is accepted") {
                    try await namespace.kubectl(
                        "apply", "--validate=false", "-f", "-", input: Data(json.utf8))
                    return true
                }
            }
            try await RunningController.with(namespace) { controller in
                try await namespace.reconciled("good")
                for name in specs.keys {
                    let message = try await eventually("\(name) is reported") {
                        let status = try await namespace.cluster.tryKubectl(
                            "-n", namespace.name, "get", "wsec", name, "-o",
                            #"jsonpath={.status.conditions[?(@.type=="Ready")].reason}: "#
                                + #"{.status.conditions[?(@.type=="Ready")].message}"#)
                        return status.output.hasPrefix("InvalidSpec: ") ? status.output : nil
                    }
                    #expect(message.contains("spec"), "\(message)")
                }
                // The watch behaves as the list does.
                try await namespace.kubectl("annotate", "wsec", "--all", "touched=yes")
                try await namespace.apply("good", ["k": "2"])
                try await namespace.secret("good", until: "is updated") { $0.values == ["k": "2"] }
                try await controller.catchUp(namespace)
                func reports() -> Int {
                    controller.transport.count { request in
                        request.isWrite && specs.keys.contains { request.path.contains("/\($0)/") }
                    }
                }
                let before = reports()
                try await namespace.apply("good", ["k": "3"])
                try await namespace.secret("good", until: "is updated") { $0.values == ["k": "3"] }
                try await controller.catchUp(namespace)
                #expect(reports() == before, "they are reported once")
            }
            try await cluster.kubectl(
                "patch", "crd", "wrappedsecrets.secrets-bridge.io", "--type=json", "-p",
                #"[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema","value":\#(strict)}]"#)
        }
    }
}

extension TestNamespace {
    /// Retries, because the server may not be ready.
    func applyAfterRestart(_ name: String, _ values: [String: String]) async throws {
        let manifest = try await wrap(name, values)
        try await eventually("\(name) is applied") {
            try await apply(manifest)
            return true
        }
    }
}
