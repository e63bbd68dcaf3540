import Foundation
import TestSupport
import Testing

/// `import --sealed` with the output of Tests/Clients/sealed_secret.py.
@Suite(.onRealServers)
struct SealedCommandTests {
    private let folder: TemporaryFolder
    private let canary = "canary-7f3a"

    init() throws {
        folder = try TemporaryFolder()
        let file = "\(try Settings.required().repository)/Tests/Vectors/sealed-secrets/sealed.json"
        let vectors = try #require(
            try JSONSerialization.jsonObject(with: try Data(contentsOf: URL(filePath: file)))
                as? [String: Any])
        for (name, key) in try #require(vectors["keys"] as? [String: String]) {
            try folder.write("\(name).pem", key)
        }
        for (name, object) in try #require(vectors["kubectl"] as? [String: Any]) {
            try folder.write("keys-\(name).json", try JSONSerialization.data(withJSONObject: object))
        }
        for (name, object) in try #require(vectors["sealed"] as? [String: Any]) {
            try folder.write("\(name).json", try JSONSerialization.data(withJSONObject: object))
        }
    }

    private func run(
        _ arguments: [String], input: Data = Data(), status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        let outcome = try await secretsBridge(
            arguments, ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey], input: input, status: status,
            canary: canary, location: location)
        #expect(!outcome.output.contains(canary), sourceLocation: location)
        return outcome
    }

    private func sealed(_ names: String..., key: String) -> [String] {
        ["import"] + names.flatMap { ["--sealed", folder.path("\($0).json")] } + [
            "--sealing-key", folder.path(key),
        ]
    }

    @Test func importsSealedSecretsAsWrappedSecrets() async throws {
        let file = folder.path("wrapped/payments/db.yaml")
        let arguments = sealed("strict", key: "keys-list.json") + ["--folder", folder.path("wrapped")]
        let first = try await run(arguments)
        #expect(first.output == "\(file)\n")
        #expect(first.errors.contains("kubectl delete sealedsecret -n payments db --cascade=orphan"))
        let opened = try await Program(
            try Settings.required().binary, ["unwrap", "-f", file],
            environment: ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
        ).outcome()
        #expect(opened.output.contains(Data(canary.utf8).base64EncodedString()))
    }

    @Test func importsTheOtherFilesIfOneIsNotYAML() async throws {
        let folder = try TemporaryFolder()
        try folder.write("a.json", try self.folder.read("strict.json"))
        try folder.write("b.yaml", "kind: SealedSecret\nmetadata: {name: {{ .Release.Name }}}\n")
        let outcome = try await run(
            ["import", "--sealed", folder.path, "--sealing-key", self.folder.path("keys-list.json")],
            status: 1)
        #expect(outcome.output.contains("kind: WrappedSecret"))
        #expect(outcome.errors.contains("b.yaml:2:1: {{ }} makes this a template"), "\(outcome.errors)")
        #expect(outcome.errors.contains("it is skipped"), "\(outcome.errors)")
    }

    /// A user who followed the advice would lose a Secret that no WrappedSecret creates.
    @Test func writesNothingIfAFileExists() async throws {
        let file = folder.path("wrapped/payments/db.yaml")
        try folder.write("wrapped/payments/db.yaml", "mine")
        var other = try #require(
            try JSONSerialization.jsonObject(
                with: Data(try folder.read("cluster-wide.json").utf8))
                as? [String: Any])
        var metadata = try #require(other["metadata"] as? [String: Any])
        metadata["name"] = "another"
        other["metadata"] = metadata
        try folder.write("another.json", try JSONSerialization.data(withJSONObject: other))
        let outcome = try await run(
            sealed("another", "strict", key: "pkcs1.pem") + ["--folder", folder.path("wrapped")], status: 1)
        #expect(outcome.output == "")
        #expect(outcome.errors.contains("error: \(file) already exists"))
        #expect(!outcome.errors.contains("kubectl delete"), "\(outcome.errors)")
        #expect(try folder.read("wrapped/payments/db.yaml") == "mine")
        #expect(!FileManager.default.fileExists(atPath: folder.path("wrapped/payments/another.yaml")))
    }

    @Test func writesAllFilesIfTheOutputIsClosed() async throws {
        let manifest = Data(try folder.read("cluster-wide.json").utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: manifest) as? [String: Any])
        for number in 0..<3 {
            var copy = object
            var metadata = try #require(copy["metadata"] as? [String: Any])
            metadata["name"] = "db-\(number)"
            copy["metadata"] = metadata
            try folder.write("many/\(number).json", try JSONSerialization.data(withJSONObject: copy))
        }
        // The reader exits before the first path is written.
        let script = #"exec 3> >(exit); sleep 0.3; exec "$0" "$@" >&3"#
        let outcome = try await Program(
            "/bin/bash",
            [
                "-c", script, try Settings.required().binary, "import", "--sealed", folder.path("many"),
                "--sealing-key", folder.path("pkcs1.pem"), "--folder", folder.path("wrapped"),
            ], environment: ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
        ).outcome()
        #expect(outcome.status != 0)
        let written = try FileManager.default.contentsOfDirectory(atPath: folder.path("wrapped/payments"))
            .sorted()
        #expect(written == ["db-0.yaml", "db-1.yaml", "db-2.yaml"])
    }

    @Test func leavesOutAKeyThatIsNotRSAWithANote() async throws {
        let pem = Data(try folder.read("ec.pem").utf8).base64EncodedString()
        let list = try #require(
            try JSONSerialization.jsonObject(
                with: Data(try folder.read("keys-list.json").utf8))
                as? [String: Any])
        let other: [String: Any] = [
            "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "web"], "data": ["tls.key": pem],
        ]
        let items = [other] + (try #require(list["items"] as? [[String: Any]]))
        try folder.write(
            "keys-mixed.json",
            try JSONSerialization.data(withJSONObject: ["apiVersion": "v1", "kind": "List", "items": items]))
        let outcome = try await run(sealed("strict", key: "keys-mixed.json"))
        #expect(
            outcome.errors.contains("note: "),
            "\(outcome.errors)")
        #expect(
            outcome.errors.contains("Secret web: tls.key"),
            "\(outcome.errors)")
    }

    @Test func readsKeysAndManifestsFromStandardInput() async throws {
        let key = Data(try folder.read("pkcs8.pem").utf8)
        let byKey = try await run(
            ["import", "--sealed", folder.path("strict.json"), "--sealing-key", "-", "-o", "json"], input: key
        )
        #expect(byKey.output.contains("\"kind\": \"WrappedSecret\""), "\(byKey.output)")
        let manifest = Data(try folder.read("strict.json").utf8)
        let byManifest = try await run(
            ["import", "--sealed", "-", "--sealing-key", folder.path("pkcs1.pem"), "--scope", "cluster"],
            input: manifest)
        #expect(byManifest.output.contains("scope: cluster"), "\(byManifest.output)")
    }

    @Test func writesNothingUnlessAllCanBeOpened() async throws {
        let outcome = try await run(
            sealed("strict", "second", "not-a-secret", key: "pkcs1.pem") + [
                "--folder", folder.path("wrapped"),
            ],
            status: 1)
        #expect(outcome.output == "")
        #expect(outcome.errors.split(separator: "\n").count == 2, "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.path("wrapped")))
        // Two SealedSecrets have the same name.
        let clash = try await run(
            sealed("strict", "described", key: "pkcs1.pem") + ["--folder", folder.path("wrapped")], status: 1)
        #expect(clash.errors.contains("payments/db.yaml is also created from"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("wrapped")))
    }

    @Test(arguments: [
        (["--sealed", "x"], "give --sealing-key"), (["--sealing-key", "x"], "with --sealed"),
        (["--sealed", "x", "--sealing-key", "x", "db"], "leave out names"),
        (["--sealed", "x", "--sealing-key", "x", "-A"], "--all-namespaces"),
        (["--sealed", "x", "--sealing-key", "x", "-l", "a=b"], "--selector"),
        (["--sealed", "x", "--sealing-key", "x", "--context", "a"], "--context"),
        (["--sealed", "-", "--sealing-key", "-"], "read only once"),
        (["--sealed", "x", "--sealing-key", "x", "--folder", ""], "--folder is empty"),
        (["-n", "x", "--folder", ""], "--folder is empty"), ([], "give --namespace or --all-namespaces"),
    ])
    func refusesOptionsThatExcludeEachOther(options: [String], part: String) async throws {
        let outcome = try await run(["import"] + options, status: 64)
        #expect(outcome.output == "", "\(outcome.errors)")
        #expect(outcome.errors.contains(part), "\(outcome.errors)")
    }
}
