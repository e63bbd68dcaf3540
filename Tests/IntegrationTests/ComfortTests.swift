import Foundation
import TestSupport
import Testing

/// `create`, `move`, and the options for registries, certificates and hidden values.
@Suite(.onRealServers)
struct ComfortTests {
    private let folder: TemporaryFolder
    private let canary = "canary-\(UUID().uuidString)"
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private var file: String { folder.path("db.yaml") }

    init() throws { folder = try TemporaryFolder() }

    private func run(
        _ arguments: [String], _ more: [String: String] = [:], input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            arguments, environment.merging(more) { $1 }, input: Data(input.utf8), status: status,
            canary: canary, location: location)
    }

    /// Runs the program at a terminal, and types at each `question`. Returns what was shown.
    private func runAtTerminal(
        _ arguments: [String], _ more: [String: String] = [:], question: String, keys: String,
        status: Int32 = 0
    ) async throws -> String {
        let settings = try Settings.required()
        let outcome = try await Program(
            settings.python,
            ["\(settings.repository)/Tests/Clients/terminal.py", question, keys, settings.binary] + arguments,
            environment: environment.merging(more) { $1 }
        ).outcome()
        #expect(outcome.status == status, "\(outcome)")
        #expect(!outcome.output.contains(canary), "\(outcome)")
        return outcome.output
    }

    private func editor(_ script: String) throws -> [String: String] {
        ["EDITOR": "/bin/sh \(try folder.write("editor.sh", "#!/bin/sh\n\(script)\n"))"]
    }

    private func data(_ path: String? = nil) async throws -> [String: String] {
        let secret = try await Program(
            try Settings.required().binary, ["unwrap", "-f", path ?? file, "-o", "json"],
            environment: environment
        ).outcome()
        let object = try JSONSerialization.jsonObject(with: Data(secret.output.utf8)) as? [String: Any]
        return try #require(object?["data"] as? [String: String], "\(secret)").mapValues {
            String(decoding: Data(base64Encoded: $0) ?? Data(), as: UTF8.self)
        }
    }

    /// The files that have the canary, below the test's folder and in memory.
    private func plaintextFiles() -> [String] {
        [folder.path, "/dev/shm"].flatMap { root in
            (FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? [])
                .map { "\(root)/\($0)" }
                .filter { root != "/dev/shm" || $0.contains("secrets-bridge-") }
                .filter { (try? String(contentsOfFile: $0, encoding: .utf8))?.contains(canary) == true }
        }.filter { !$0.hasSuffix("editor.sh") }
    }

    @Test func createsAFileFromTheEditor() async throws {
        let outcome = try await run(
            ["create", file, "-n", "payments", "--label", "team=pay"],
            try editor("sed -i 's/  # password: \"\"/  password: \(canary)/' $1"))
        #expect(outcome.output == "+ password\n")
        #expect(try await data() == ["password": canary])
        let text = try folder.read("db.yaml")
        #expect(text.contains("metadata:\n  name: db\n  namespace: payments\n"), "\(text)")
        #expect(text.contains("team: pay"), "\(text)")
        #expect(plaintextFiles() == [])
    }

    @Test func createsNothingWithoutValues() async throws {
        for script in [
            "true", "exit 3", ": >$1", "echo '# more' >>$1", "sed -i 's/kind: Secret/kind: X/' $1",
        ] {
            let outcome = try await run(
                ["create", file, "-n", "payments"], try editor(script), status: 1)
            #expect(outcome.output == "", "\(outcome)")
            #expect(!FileManager.default.fileExists(atPath: file), "\(script)")
        }
        #expect(try folder.names == ["editor.sh"])
    }

    @Test func createRefusesAFileThatExists() async throws {
        try folder.write("db.yaml", "kind: Other\n")
        let outcome = try await run(
            ["create", file, "-n", "payments"], try editor("touch \(folder.path("started"))"), status: 1)
        #expect(
            outcome.errors.contains("exists already and was not changed; give another path"), "\(outcome)")
        #expect(outcome.errors.contains("secrets-bridge edit \(file)"), "\(outcome)")
        #expect(try folder.read("db.yaml") == "kind: Other\n")
        #expect(!FileManager.default.fileExists(atPath: folder.path("started")))
    }

    /// Another process creates the file while the user types values.
    @Test func createOffersToEditAgainIfTheFileCannotBeWritten() async throws {
        let started = folder.path("started")
        let shown = try await runAtTerminal(
            ["create", file, "-n", "payments"],
            try editor(
                """
                if [ -e \(started) ]; then rm \(file); exit; fi
                echo '  a: \(canary)' >>$1
                touch \(started) \(file)
                """),
            question: "give up: ", keys: "\r")
        #expect(shown.contains("another process created it meanwhile"), "\(shown)")
        #expect(shown.contains("secrets-bridge edit \(file)"), "\(shown)")
        #expect(shown.contains("+ a"), "\(shown)")
        #expect(try await data() == ["a": canary])
    }

    @Test func createWritesJSONToAFileOfJSON() async throws {
        let path = folder.path("db.json")
        _ = try await run(
            ["create", path, "-n", "payments"], try editor("echo '  a: \(canary)' >>$1"))
        #expect(try folder.read("db.json").hasPrefix("{"))
        #expect(try await data(path) == ["a": canary])
    }

    @Test func movesAFileInPlaceAndToAnother() async throws {
        _ = try await run([
            "wrap", "-n", "payments", "--name", "db", "--from-literal", "a=\(canary)", "-w", file,
        ])
        let moved = try await run(["move", file, "-n", "billing"])
        #expect(moved.errors.contains("note: moved payments/db -> billing/db\n"), "\(moved)")
        #expect(moved.output == "")
        #expect(try await data() == ["a": canary])
        let before = try folder.read("db.yaml")
        let other = folder.path("orders.yaml")
        _ = try await run(["move", file, "--name", "orders", "-w", other])
        #expect(try folder.read("db.yaml") == before)
        #expect(try folder.read("orders.yaml").contains("name: orders\n  namespace: billing\n"))
        #expect(try await data(other) == ["a": canary])
        let shown = try await run(["move", file, "--secret-name", "x", "-w", "-"])
        #expect(shown.output.contains("    metadata:\n      name: x\n"), "\(shown)")
        #expect(try await run(["verify", file, other]).output.contains("2 WrappedSecrets, 0 problems"))
        #expect(try await run(["move", file, "-n", "billing"]).errors.contains("nothing changed"))
    }

    @Test func setsATypedValueThatIsNotShown() async throws {
        _ = try await run([
            "wrap", "-n", "payments", "--name", "db", "--from-literal", "user=app", "-w", file,
        ])
        let shown = try await runAtTerminal(
            ["set", file, "password"], question: "(not shown): ", keys: "\(canary)x\u{7F}\r")
        #expect(shown.contains("+ password"), "\(shown)")
        #expect(try await data() == ["user": "app", "password": canary])
        let before = try folder.read("db.yaml")
        for (keys, message) in [
            ("\r", "no value was typed"), ("\u{4}", "no value was typed"), ("a\rb\r", "has several lines"),
        ] {
            let shown = try await runAtTerminal(
                ["set", file, "password"], question: "(not shown): ", keys: keys, status: 1)
            #expect(shown.contains(message), "\(shown)")
            #expect(try folder.read("db.yaml") == before)
        }
        _ = try await runAtTerminal(
            ["set", file, "password"], question: "(not shown): ", keys: "\(canary)\u{3}", status: 130)
        #expect(try folder.read("db.yaml") == before)
    }

    @Test func setsTheValueOfStandardInput() async throws {
        _ = try await run([
            "wrap", "-n", "payments", "--name", "db", "--from-literal", "user=app", "-w", file,
        ])
        #expect(try await run(["set", file, "password"], input: canary).output == "+ password\n")
        #expect(try await data()["password"] == canary)
        let two = try await run(["set", file, "a", "b"], input: canary, status: 1)
        #expect(two.errors.contains("there is no terminal to ask for a"), "\(two)")
        let slip = try await run(["set", file, "password=\(canary)"], status: 64)
        #expect(slip.errors.contains("is not the name of an entry"), "\(slip)")
    }

    @Test func wrapsTheCredentialOfARegistryAsKubectlDoes() async throws {
        let password = try folder.write("password", "\(canary)<&>\n")
        _ = try await run([
            "wrap", "-n", "payments", "--name", "pull", "--docker-server", "ghcr.io", "--docker-username",
            "app",
            "--docker-email", "a@b.c", "--docker-password-file", password, "-w", file,
        ])
        let kubectl = try await Program(
            try Settings.required().kubectl,
            [
                "create", "secret", "docker-registry", "pull", "--dry-run=client", "-o",
                "jsonpath={.data.\\.dockerconfigjson}", "--docker-server=ghcr.io", "--docker-username=app",
                "--docker-email=a@b.c", "--docker-password=\(canary)<&>",
            ]
        ).outcome()
        let expected = String(decoding: try #require(Data(base64Encoded: kubectl.output)), as: UTF8.self)
        #expect(try await data() == [".dockerconfigjson": expected])
        #expect(try folder.read("db.yaml").contains("type: kubernetes.io/dockerconfigjson"))
        let shown = try await runAtTerminal(
            [
                "set", file, "--docker-server", "ghcr.io", "--docker-username", "app", "--docker-email",
                "a@b.c",
            ],
            question: "(not shown): ", keys: "\(canary)\r")
        #expect(shown.contains("password of app at ghcr.io (not shown): "), "\(shown)")
        #expect(try await data()[".dockerconfigjson"]?.contains("\"password\":\"\(canary)\"") == true)
    }

    @Test func refusesAPasswordAsAnArgument() async throws {
        let outcome = try await run(
            [
                "wrap", "-n", "payments", "--name", "pull", "--docker-username", "app", "--docker-password",
                canary,
            ], status: 64)
        #expect(outcome.errors.contains("in the process list"), "\(outcome)")
        let piped = try await run(
            ["wrap", "-n", "payments", "--name", "pull", "--docker-username", "app"], status: 1)
        #expect(piped.errors.contains("give --docker-password-file"), "\(piped)")
    }

    @Test func wrapsACertificateWithItsKey() async throws {
        let vectors = "\(try Settings.required().repository)/Tests/Vectors/tls"
        _ = try await run([
            "wrap", "-n", "payments", "--name", "web", "--tls-cert", "\(vectors)/client.crt", "--tls-key",
            "\(vectors)/client.key", "--from-file", "ca.crt=\(vectors)/ca.crt", "--creation-policy", "Orphan",
            "-w",
            file,
        ])
        let data = try await data()
        #expect(data["tls.crt"] == (try String(contentsOfFile: "\(vectors)/client.crt", encoding: .utf8)))
        #expect(Set(data.keys) == ["tls.crt", "tls.key", "ca.crt"])
        #expect(try folder.read("db.yaml").contains("creationPolicy: Orphan"))
        let wrong = try await run(
            [
                "wrap", "-n", "payments", "--name", "web", "--tls-cert", "\(vectors)/client.crt", "--tls-key",
                "\(vectors)/rsa.key",
            ], status: 1)
        #expect(wrong.errors.contains("does not belong to the first certificate"), "\(wrong)")
    }

    @Test func importsFilesOfSops() async throws {
        let tests = "\(try Settings.required().repository)/Tests"
        let vectors = "\(tests)/Vectors/sops"
        let script = try folder.write(
            "sops.sh",
            """
            env | grep ^SB_ >>'\(folder.path("settings"))'
            [ "$1 $2" = "-d --output-type" ] && exec cat '\(vectors)/decrypted/'"${4##*/}"
            exit 9
            """)
        let inherited = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let path = ["PATH": "\(tests)/Clients/fake-sops:\(inherited)", "FAKE_SOPS": script]
        let plaintext = "canary-7f3a"
        let out = folder.path("out")
        let secrets = try await run(["import", "--sops", "\(vectors)/secrets.yaml", "--folder", out], path)
        #expect(secrets.output == "\(out)/payments/db.yaml\n\(out)/payments/api.yaml\n")
        #expect(secrets.errors.contains("secrets-bridge.io/allow=adopt"), "\(secrets)")
        #expect(try await data("\(out)/payments/api.yaml") == ["username": "app", "password": plaintext])
        let again = try await run(
            ["import", "--sops", "\(vectors)/secrets.yaml", "--folder", out], path, status: 1)
        #expect(again.errors.contains("already exists"), "\(again)")
        let plain = try await run(
            ["import", "--sops", "\(vectors)/plain.env", "-n", "payments", "--name", "env", "-w", file], path)
        #expect(try await data() == ["USER": "app", "PASSWORD": plaintext])
        let nested = try await run(
            ["import", "--sops", "\(vectors)/nested.yaml", "-n", "payments", "--name", "x"], path, status: 1)
        #expect(nested.errors.contains("\"database.password\" is nested in \"database\""), "\(nested)")
        let owned = try await run(["import", "--sops", "\(vectors)/sopssecret.yaml"], path)
        #expect(
            owned.errors.contains("kubectl delete sopssecret -n payments team --cascade=orphan"), "\(owned)")
        for outcome in [secrets, again, plain, nested, owned] {
            #expect(!(outcome.output + outcome.errors).contains(plaintext))
        }
        #expect(try folder.read("settings") == "")
    }
}
