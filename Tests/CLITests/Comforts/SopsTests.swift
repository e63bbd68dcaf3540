import Cryptography
import Envelope
import Foundation
import KMS
import TestSupport
import Testing

@testable import CLI

/// Files of SOPS: what sops 3.11 printed for them, and the contract with the program.
@Suite struct SopsTests {
    private let folder: TemporaryFolder
    private let ring: KeyRing

    init() throws {
        folder = try TemporaryFolder()
        ring = KeyRing(
            primary: try LocalKeyManager(
                master: SharedSecret(copying: [UInt8](repeating: 1, count: 32))))
    }

    private var vectors: String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Vectors/sops").path
    }

    private func decrypted(_ name: String) throws -> SharedSecret {
        SharedSecret(copying: try Data(contentsOf: URL(filePath: "\(vectors)/decrypted/\(name)")))
    }

    private func read(_ name: String, as secretName: String? = nil) throws -> SopsDocuments.Contents {
        try SopsDocuments(name: secretName, namespace: "default").read(try decrypted(name), path: name)
    }

    private func problem(_ text: String, name: String? = "db") -> String? {
        errorMessage { () throws(InputError) in
            try SopsDocuments(name: name, namespace: "payments").read(
                SharedSecret(copying: text.utf8), path: "a.yaml")
        }
    }

    @Test func readsEveryDocumentOfAFile() throws {
        let secrets = try read("secrets.yaml").secrets
        #expect(secrets.map(\.name) == ["db", "api"])
        #expect(secrets.map(\.namespace) == ["payments", "payments"])
        #expect(
            secrets.map(entries) == [
                ["password": canary, "pin": "0123"], ["username": "app", "password": canary],
            ])
        #expect(secrets[0].labels == ["team": "payments"])
        #expect(secrets[1].type == "kubernetes.io/basic-auth")
    }

    @Test func readsTheTemplatesOfASopsSecret() throws {
        let contents = try read("sopssecret.yaml")
        #expect(contents.secrets.map(\.name) == ["db", "pull"])
        #expect(contents.secrets.map(\.namespace) == ["payments", "payments"])
        #expect(
            contents.secrets.map(entries) == [
                ["password": canary], ["username": "app", "password": canary],
            ])
        #expect(contents.secrets[0].labels == ["app": "db"])
        #expect(contents.secrets[0].annotations == ["note": "x"])
        #expect(contents.owner?.name == "team")
    }

    @Test(arguments: [
        ("plain.yaml", ["user": "app", "password": canary, "cert": "one\ntwo\n"]),
        ("plain.json", ["user": "app", "password": canary]),
        ("plain.env", ["USER": "app", "PASSWORD": canary]),
    ])
    func readsKeysAndValues(file: String, expected: [String: String]) throws {
        let secrets = try read(file, as: "db").secrets
        #expect(secrets.map(\.name) == ["db"])
        #expect(secrets.map(\.namespace) == ["default"])
        #expect(secrets.map(entries) == [expected])
    }

    @Test func needsANameForKeysAndValues() {
        let message = problem("a: \(canary)\n", name: nil)
        #expect(message?.contains("give --namespace and --name") == true, "\(message ?? "")")
        expectSafeMessage(message)
    }

    @Test(arguments: [
        ("database: {user: {name: \(canary)}}\n", #""database.user.name" is nested in "database""#),
        ("hosts: [\(canary)]\n", #""hosts[0]" is nested in "hosts""#),
        ("port: 5432\n", #""port" is a number"#), ("on: true\n", "is not the name of an entry"),
        ("empty: null\n", #""empty" is nothing"#),
        ("a b: \(canary)\n", #""a b" is not the name of an entry"#),
        ("- \(canary)\n", "is a list"), ("", "has neither a Secret"),
        ("apiVersion: v1\nkind: ConfigMap\ndata: {a: \(canary)}\n", "has neither a Secret"),
        (
            "apiVersion: isindir.github.com/v1alpha3\nkind: SopsSecret\nspec: {}\n",
            "spec.secretTemplates is missing"
        ),
        (
            "apiVersion: isindir.github.com/v1alpha3\nkind: SopsSecret\nspec: {secretTemplates: [{data: {a: \(canary)}}]}\n",
            "spec.secretTemplates[0].name is missing"
        ),
    ])
    func refusesWhatIsNoSecret(text: String, part: String) {
        let message = problem(text)
        if text.hasPrefix("on:") {
            // `on` is a boolean key in YAML 1.1, which kubectl reads as "true".
            #expect(message != nil)
        } else {
            #expect(message?.contains(part) == true, "\(message ?? "")")
        }
        expectSafeMessage(message)
    }

    /// Returns a program that prints what the real one printed and records its arguments, or runs another script.
    private func fakeProgram(
        _ script: String? = nil, timeout: Duration? = nil, lines: Recorder<String>? = nil
    ) throws -> SopsProgram {
        let place = try folder.write(
            "sops.sh",
            script
                ?? """
                printf '%s\\n' "$*" >>'\(folder.path("arguments"))'
                exec cat '\(vectors)/decrypted/'"${4##*/}"

                """)
        let programs = "\(vectors)/../../Clients/fake-sops"
        return try SopsProgram(
            environment: ["PATH": "\(programs):/usr/bin:/bin", "FAKE_SOPS": place], isInteractive: false,
            timeout: timeout, report: { lines?.append($0) })
    }

    private func importFiles(
        _ paths: [String], _ program: SopsProgram, name: String? = nil
    ) async -> SopsImport.ImportResult {
        await SopsImport(program: program, documents: SopsDocuments(name: name, namespace: "default")).wrap(
            paths
        ) { _ throws(InputError) in SecretWrapper(keys: ring, scope: .strict, namespace: nil) }
    }

    @Test func asksForYAMLOfYAMLAndForJSONOfOthers() async throws {
        let program = try fakeProgram()
        for name in ["secrets.yaml", "plain.json", "plain.env"] {
            _ = try await program.decrypt("\(vectors)/\(name)")
        }
        #expect(
            try folder.read("arguments") == """
                -d --output-type yaml \(vectors)/secrets.yaml
                -d --output-type json \(vectors)/plain.json
                -d --output-type json \(vectors)/plain.env

                """)
    }

    @Test func wrapsAllFilesOfAFolderThatMentionSops() async throws {
        for name in ["secrets.yaml", "sopssecret.yaml"] {
            try folder.write("in/\(name)", try Data(contentsOf: URL(filePath: "\(vectors)/\(name)")))
        }
        try folder.write("in/other.yaml", "kind: ConfigMap\n")
        // Flux names SOPS in a file that is not encrypted.
        try folder.write("in/flux.yaml", "kind: Kustomization\nspec: {decryption: {provider: sops}}\n")
        let result = await importFiles([folder.path("in")], try fakeProgram())
        // Both have a Secret payments/db.
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.description.contains("payments/db.yaml is also created from") == true)
        #expect(result.outputs.isEmpty)
        let one = await importFiles([folder.path("in/secrets.yaml")], try fakeProgram())
        #expect(one.problems == [])
        #expect(one.outputs.map(\.relativePath) == ["payments/db.yaml", "payments/api.yaml"])
        #expect(!one.outputs.map(\.manifest).map(yaml).joined().contains(canary))
    }

    @Test func reportsWhatSopsSays() async throws {
        let lines = Recorder<String>()
        let program = try fakeProgram(
            "printf 'Failed to get the data key\\n\\n\\033[31mGroup 0: FAILED\\n' >&2; echo \(canary); exit 128\n",
            lines: lines)
        let result = await importFiles(["\(vectors)/secrets.yaml"], program)
        #expect(lines.elements == ["sops: Failed to get the data key", "sops: \u{1B}[31mGroup 0: FAILED"])
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.description.contains("sops ended with 128") == true)
        expectSafeMessage(result.problems.first?.description)
    }

    @Test func stopsSopsAtTheDeadline() async throws {
        let program = try fakeProgram("sleep 600\n", timeout: .milliseconds(100))
        let result = await importFiles(["\(vectors)/secrets.yaml"], program)
        #expect(
            result.problems.first?.description.contains("did not end within") == true, "\(result.problems)")
    }

    @Test(arguments: ["a.ini", "a.txt", "secret"])
    func refusesFilesThatSopsReadsAsOneValue(name: String) async throws {
        let path = try folder.write(name, "x")
        let result = await importFiles([path], try fakeProgram())
        #expect(result.problems.first?.description.contains("is none of .yaml, .yml, .json and .env") == true)
        #expect(!FileManager.default.fileExists(atPath: folder.path("arguments")))
    }

    @Test func reportsAMissingProgram() {
        let message = errorMessage { () throws(InputError) in
            try SopsProgram(environment: ["PATH": folder.path], isInteractive: false, report: { _ in })
        }
        #expect(message?.contains("there is none on the PATH") == true, "\(message ?? "")")
    }

    /// Runs the real sops, where it is installed.
    @Test(.enabled(if: Self.hasSops))
    func decryptsWithTheRealSops() async throws {
        var environment = ProcessInfo.processInfo.environment
        environment["SOPS_AGE_KEY_FILE"] = "\(vectors)/age.key"
        let program = try SopsProgram(environment: environment, isInteractive: false, report: { _ in })
        for name in [
            "secrets.yaml", "sopssecret.yaml", "plain.yaml", "plain.json", "plain.env", "nested.yaml",
        ] {
            let plain = try await program.decrypt("\(vectors)/\(name)")
            #expect(text(plain) == text(try decrypted(name)), "\(name)")
        }
    }

    private static var hasSops: Bool {
        let environment = ProcessInfo.processInfo.environment
        return (try? SopsProgram(environment: environment, isInteractive: false, report: { _ in })) != nil
    }
}
