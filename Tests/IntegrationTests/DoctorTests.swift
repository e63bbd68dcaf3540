import Foundation
import TestSupport
import Testing

/// `doctor` with the permissions that the docs give to developers and controllers.
@Suite(.onRealServers, .serialized)
struct DoctorTests {
    private func doctor(
        _ arguments: [String], _ environment: [String: String], status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(["doctor"] + arguments, environment, status: status, location: location)
    }

    /// Returns the path of a kubeconfig whose context has this namespace.
    private func kubeconfig(_ namespace: TestNamespace, _ folder: TemporaryFolder) async throws -> String {
        let path = folder.path("kubeconfig")
        try FileManager.default.copyItem(atPath: namespace.cluster.kubeconfig, toPath: path)
        let set = try await Program(
            namespace.cluster.kubectl,
            ["--kubeconfig", path, "config", "set-context", "--current", "--namespace", namespace.name]
        ).outcome()
        #expect(set.status == 0, "\(set.errors)")
        return path
    }

    /// Runs `doctor` with the policies of docs/aws-kms.md or docs/vault.md for the developers of one namespace.
    private func expectPermissionsInOneNamespace(
        _ developer: [String: String], _ namespace: TestNamespace, location: SourceLocation = #_sourceLocation
    ) async throws {
        let folder = try TemporaryFolder()
        let well = try await doctor(
            ["-n", namespace.name],
            developer.merging(["KUBECONFIG": namespace.cluster.kubeconfig]) { $1 }, location: location)
        #expect(well.output.contains("yes  generate a data key"), "\(well.output)", sourceLocation: location)
        #expect(well.output.contains("NO   unwrap"), "\(well.output)", sourceLocation: location)
        #expect(well.errors == "", sourceLocation: location)
        // Without --namespace, the namespace of the context counts, and the cluster is not checked.
        let context = try await doctor(
            [], developer.merging(["KUBECONFIG": try await kubeconfig(namespace, folder)]) { $1 },
            location: location)
        #expect(context.output.contains("yes  generate a data key"), sourceLocation: location)
        #expect(
            context.output.contains("for Secrets of namespace \(namespace.name)"), sourceLocation: location)
        #expect(!context.output.contains("cluster\n"), sourceLocation: location)
        let elsewhere = try await doctor(
            [], developer.merging(["KUBECONFIG": "/dev/null"]) { $1 }, status: 1, location: location)
        #expect(elsewhere.output.contains("NO   generate a data key"), sourceLocation: location)
        #expect(elsewhere.output.contains("for Secrets of namespace default"), sourceLocation: location)
    }

    @Test func passesForAnAWSDeveloperInTheirNamespace() async throws {
        try await LoopbackAWS.with { aws in
            try await TestNamespace.withShared { namespace in
                for key in [
                    "alias/sb-wrap",
                    try await aws.aws(
                        "kms", "describe-key", "--key-id", "alias/sb-wrap", query: "KeyMetadata.Arn"),
                ] {
                    try await expectPermissionsInOneNamespace(
                        try await aws.settings(user: "developer", namespace.name, key: key), namespace)
                }
                // The alias was resolved before.
                let output = try await doctor(
                    ["-n", namespace.name],
                    try await aws.settings(user: "developer", namespace.name).merging(
                        ["KUBECONFIG": namespace.cluster.kubeconfig]) { $1 }
                ).output
                #expect(output.hasPrefix("key arn:aws:kms:"), "\(output)")
                // Refused credentials fail every check for the same reason.
                var wrong = try await aws.settings(user: "developer", namespace.name)
                wrong["AWS_SECRET_ACCESS_KEY"] = "wrong"
                let refused = try await doctor([], wrong, status: 1)
                let all = refused.output + refused.errors
                let reasons = all.split(separator: "\n").compactMap {
                    $0.split(separator: ": ", maxSplits: 1).last
                }
                .filter { $0 != "as above" }
                #expect(Set(reasons).count == reasons.count, "\(all)")
            }
        }
    }

    @Test func passesForAVaultDeveloperInTheirNamespace() async throws {
        try await OpenBao.with { bao in
            try await TestNamespace.withShared { namespace in
                let policy = try await Program(
                    "\(try Settings.required().repository)/hack/developer-policy", [namespace.name]
                ).outcome()
                #expect(policy.status == 0)
                try await bao.bao(
                    "policy", "write", "sb-developer-\(namespace.name)", "-", input: policy.output)
                try await expectPermissionsInOneNamespace(
                    try await bao.settings(token: "developer-\(namespace.name)"), namespace)
                let controller = try await doctor(
                    [],
                    try await bao.settings(token: "controller").merging(["KUBECONFIG": "/dev/null"]) { $1 })
                #expect(controller.output.contains("?    unwrap"), "\(controller.output)")
            }
        }
    }

    @Test func everyCommandReportsANamespaceThatDoesNotExist() async throws {
        try await TestNamespace.withShared { namespace in
            let environment = [
                "SB_WRAP_MASTER_KEY": namespace.masterKey, "KUBECONFIG": namespace.cluster.kubeconfig,
            ]
            let doctor = try await doctor(["-n", "nope"], environment, status: 1)
            #expect(doctor.output.contains("NO   namespace nope: namespace nope does not exist"))
            for command in [
                ["status"], ["status", "--by-key"], ["import"], ["rewrap"], ["rewrap", "--check"],
            ] {
                let outcome = try await secretsBridge(
                    command + ["-n", "nope"], environment, status: 1, location: #_sourceLocation)
                #expect(
                    outcome.errors.contains("namespace nope does not exist"), "\(command): \(outcome.errors)")
                #expect(outcome.output == "" || outcome.output.hasPrefix("NAMESPACE"), "\(outcome.output)")
                // An empty namespace is no error.
                _ = try await secretsBridge(
                    command + ["-n", namespace.name], environment, location: #_sourceLocation)
            }
            let named = try await secretsBridge(
                ["import", "-n", "nope", "db"], environment, status: 1, location: #_sourceLocation)
            #expect(named.errors.contains("namespace nope does not exist"), "\(named.errors)")
        }
    }

    /// A controller's Lease shows its watch scope even without any WrappedSecret.
    @Test(arguments: [nil, "team=search"])
    func reportsAnEmptyNamespaceThatNoLeaderWatches(selector: String?) async throws {
        try await TestNamespace.withShared { watched in
            try await TestNamespace.withShared { unwatched in
                // The Role of the manifests, in a namespace without other leases.
                let rules = ["--verb=get,patch,create", "--resource=leases.coordination.k8s.io"]
                try await watched.kubectl(["create", "role", "lease"] + rules)
                try await watched.kubectl(
                    "create", "rolebinding", "lease", "--role=lease",
                    "--serviceaccount=secrets-bridge:secrets-bridge")
                let environment = [
                    "SB_WRAP_MASTER_KEY": watched.masterKey, "KUBECONFIG": watched.cluster.kubeconfig,
                ]
                let arguments =
                    ["--leader-elect", "--leader-elect-namespace", watched.name]
                    + (selector.map { ["--label-selector", $0] } ?? [])
                try await ControllerProgram.with(
                    watched, ["SB_WRAP_MASTER_KEY": watched.masterKey], arguments
                ) { controller in
                    try await eventually("the lease shows the watch scope") {
                        try await watched.kubectl(
                            "get", "leases", "-l", "secrets-bridge.io/watch-scope", "-o", "name") != ""
                    }
                    let covered = try await doctor(["-n", watched.name], environment)
                    #expect(
                        covered.output.contains(
                            selector.map {
                                "?    a controller reconciles WrappedSecrets: only WrappedSecrets with the labels \($0)"
                            }
                                ?? "yes  a controller reconciles WrappedSecrets"), "\(covered.output)")
                    let uncovered = try await doctor(["-n", unwatched.name], environment, status: 1)
                    #expect(
                        uncovered.output.contains("no controller watches namespace \(unwatched.name)"),
                        "\(uncovered.output)")
                    // The leader still renews its lease.
                    try await Task.sleep(for: .seconds(5))
                    #expect(!controller.log.contains("no longer leading"))
                    #expect(!controller.log.contains("lease cannot be used"))
                }
                // The lease is released, so nothing is known of the namespace.
                let after = try await doctor(["-n", unwatched.name], environment)
                #expect(
                    after.output.contains("?    a controller reconciles WrappedSecrets"), "\(after.output)")
            }
        }
    }

    @Test func reportsANamespaceThatNoControllerWatches() async throws {
        try await TestNamespace.withShared { watched in
            try await TestNamespace.withShared { unwatched in
                try await ControllerProgram.with(watched, ["SB_WRAP_MASTER_KEY": watched.masterKey]) { _ in
                    for namespace in [watched, unwatched] {
                        try await namespace.apply("db", ["k": "v"], with: watched.key)
                    }
                    let environment = [
                        "SB_WRAP_MASTER_KEY": watched.masterKey, "KUBECONFIG": watched.cluster.kubeconfig,
                    ]
                    let well = try await doctor(["-n", watched.name], environment)
                    #expect(
                        well.output.contains("yes  a controller reconciles WrappedSecrets"), "\(well.output)")
                    let uncovered = try await doctor(["-n", unwatched.name], environment, status: 1)
                    #expect(
                        uncovered.output.contains("NO   a controller reconciles WrappedSecrets"),
                        "\(uncovered.output)")
                    #expect(uncovered.output.contains("--watch-namespace"), "\(uncovered.output)")
                    #expect(uncovered.output.contains("\(unwatched.name)/db"), "\(uncovered.output)")
                }
            }
        }
    }
}
