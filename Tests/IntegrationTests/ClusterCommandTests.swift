import Foundation
import TestSupport
import Testing

/// Commands that read a cluster's Secrets.
@Suite(.onRealServers)
struct ClusterCommandTests {
    private let folder: TemporaryFolder
    private let canary = "canary-\(UUID().uuidString)"
    /// A folder that does not exist before the first import.
    private var imports: String { folder.path("imports") }

    init() throws { folder = try TemporaryFolder() }

    private func run(
        _ namespace: TestNamespace, _ arguments: [String], status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        let environment = [
            "SB_WRAP_MASTER_KEY": namespace.masterKey, "KUBECONFIG": namespace.cluster.kubeconfig,
        ]
        let outcome = try await secretsBridge(
            arguments, environment, status: status, canary: canary, location: location)
        #expect(!outcome.output.contains(canary), sourceLocation: location)
        return outcome
    }

    @Test func importsAndComparesSecretsOfACluster() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl(
                "create", "secret", "generic", "app", "--from-literal=password=\(canary)",
                "--from-literal=user=app")
            try await namespace.kubectl("label", "secret", "app", "team=payments")
            try await namespace.kubectl("create", "configmap", "owner")
            let uid = try await namespace.kubectl(
                "get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
            try await namespace.kubectl(
                "apply", "-f", "-",
                input: Data(
                    """
                    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made", "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "\(uid)"}]}}
                    """.utf8))
            let imported = try await run(
                namespace, ["import", "-n", namespace.name, "--folder", imports])
            let file = "\(imports)/\(namespace.name)/app.yaml"
            #expect(imported.output == "\(file)\n")
            #expect(imported.errors.contains("made is left out: ConfigMap owner"))
            #expect(try String(contentsOfFile: file, encoding: .utf8).contains("team: payments"))

            #expect(try await run(namespace, ["diff", imports]).output == "")
            _ = try await run(
                namespace, ["set", file, "--from-literal", "user=\(canary)", "--from-literal", "new=1"])
            let changed = try await run(namespace, ["diff", imports], status: 1)
            #expect(changed.output.hasSuffix(": Secret \(namespace.name)/app\n  + new\n  ~ user\n"))
            try await namespace.kubectl("delete", "secret", "app")
            #expect(try await run(namespace, ["diff", imports], status: 1).output.contains("+ Secret"))
            // An existing file is not overwritten.
            try await namespace.kubectl("create", "secret", "generic", "app")
            let before = try String(contentsOfFile: file, encoding: .utf8)
            let again = try await run(
                namespace, ["import", "-n", namespace.name, "--folder", imports, "app"])
            #expect(again.errors.contains("exists and was not written"))
            #expect(try String(contentsOfFile: file, encoding: .utf8) == before)
            _ = try await run(namespace, ["import", "-n", namespace.name, "nope"], status: 1)
        }
    }

    /// A limit on the size of files simulates a full disk.
    @Test func leavesNoPartialFileOnAFullDisk() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl(
                "create", "secret", "generic", "app", "--from-literal=password=\(canary)",
                "--from-literal=long=\(String(repeating: "x", count: 2000))")
            let outcome = try await Program(
                "/bin/sh",
                [
                    "-c",
                    #"trap '' XFSZ; ulimit -f 1; exec "$0" import -n "$1" --folder "$2""#,
                    try Settings.required().binary, namespace.name, imports,
                ],
                environment: [
                    "SB_WRAP_MASTER_KEY": namespace.masterKey, "KUBECONFIG": namespace.cluster.kubeconfig,
                ]
            ).outcome()
            #expect(outcome.status == 1)
            let files = try FileManager.default.contentsOfDirectory(
                atPath: "\(imports)/\(namespace.name)")
            #expect(files == [])
        }
    }

    @Test func doctorShowsThePermissionsOfAKey() async throws {
        try await TestNamespace.withShared { namespace in
            let well = try await run(namespace, ["doctor", "-n", namespace.name])
            for part in [
                "yes  generate a data key", "yes  unwrap a data key", "yes  rewrap a data key",
                "yes  list WrappedSecrets",
                "yes  this machine's clock",
            ] {
                #expect(well.output.contains(part), "\(well.output)")
            }
            let away = try await Program(
                try Settings.required().binary, ["doctor"],
                environment: [
                    "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": "http://127.0.0.1:1",
                    "SB_KMS_VAULT_KEY": "k", "SB_KMS_VAULT_TOKEN": canary,
                ]
            ).outcome()
            #expect(away.status == 1)
            #expect(away.output.contains("NO   generate a data key"), "\(away.output)")
            #expect(!(away.output + away.errors).contains(canary))
        }
    }
}
