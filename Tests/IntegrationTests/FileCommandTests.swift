import Foundation
import TestSupport
import Testing

/// Output and exit codes of `status`, `inspect`, `verify` and `rewrap --check` for files. Users destroy keys because of
/// them.
@Suite(.onRealServers)
struct FileCommandTests {
    private let folder: TemporaryFolder
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]

    init() throws { folder = try TemporaryFolder() }

    private func run(
        _ arguments: [String], _ more: [String: String] = [:], status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            arguments, environment.merging(more) { $1 }, status: status, location: location)
    }

    private func wrap(_ name: String) async throws {
        let wrapped = try await run(["wrap", "-n", "payments", "--name", name, "--from-literal", "k=v"])
        try folder.write("\(name).yaml", wrapped.output)
    }

    @Test func wrapsAndUnwrapsATemplate() async throws {
        let path = try folder.write("app.conf.tmpl", "user={{ .user }}\n")
        let arguments = [
            "wrap", "-n", "payments", "--name", "db", "--from-literal", "user=app", "--template",
        ]
        let wrapped = try await run(arguments + ["app.conf=\(path)"])
        #expect(wrapped.errors == "")
        try folder.write("db.yaml", wrapped.output)
        let unwrapped = try await run(["unwrap", folder.path("db.yaml")])
        #expect(unwrapped.output.contains("app.conf: \(Data("user=app\n".utf8).base64EncodedString())"))
        let refused = try await run(
            [
                "verify", "--offline",
                try folder.write("bad.yaml", wrapped.output.replacing(".user }}", with: ".x }}")),
            ],
            status: 1)
        #expect(refused.errors.contains("spec.template.data[app.conf] line 1 column 6: there is no entry x"))
        for wrong in ["app.conf", "=\(path)", "a/b=\(path)"] {
            _ = try await run(arguments + [wrong], status: 64)
        }
        _ = try await run(arguments + ["app.conf=/nowhere"], status: 1)
        _ = try await run(arguments + ["a=\(path)", "--template", "a=\(path)"], status: 1)
        _ = try await run(["wrap", "-n", "payments", "--template", "a=/dev/stdin"], status: 64)
    }

    @Test func checkFailsIfNoConfiguredKeyIsListed() async throws {
        try await wrap("db")
        _ = try await run(["rewrap", "--check", folder.path("db.yaml")])
        let other = Data(repeating: 5, count: 32).base64EncodedString()
        let found = try await run(
            ["rewrap", "--check", folder.path("db.yaml")], ["SB_WRAP_MASTER_KEY": other], status: 1)
        #expect(found.errors.contains("uses a configured key"))
        #expect(found.output == "1 WrappedSecret: 0 to move, 0 current, 1 failed\n")
    }

    @Test(arguments: [
        ["status", "--key", "valt-transit"], ["rewrap", "--remove-recipient", "valt-transit"],
        ["rewrap", "--add-recipient", "lokal"], ["rewrap", "--to", "alias/sb-wrap"],
        ["status", "--key", "vault-transit", "--key-version", "v1"],
        ["status", "--key", "local", "--key-version", "1"],
    ])
    func refusesAMistypedKey(arguments: [String]) async throws {
        try await wrap("db")
        let outcome = try await run(arguments + [folder.path("db.yaml")], status: 64)
        #expect(outcome.output == "")
        let typo = try #require(arguments.last)
        #expect(
            outcome.errors.contains(typo) || outcome.errors.contains("--key-version"), "\(outcome.errors)")
    }

    @Test func notesAKeyThatNoWrappedSecretLists() async throws {
        try await wrap("db")
        let listed = try await run(["status", "--key", "local", folder.path("db.yaml")])
        #expect(listed.output.contains("db"))
        #expect(listed.errors == "")
        let status = try await run(["status", "--key", "vault-transit", folder.path("db.yaml")])
        #expect(status.errors == "note: no WrappedSecret lists vault-transit; 1 were checked\n")
        let rewrap = try await run(["rewrap", "--remove-recipient", "vault-transit", folder.path("db.yaml")])
        #expect(rewrap.errors == "note: no WrappedSecret lists vault-transit\n")
    }

    @Test(arguments: [
        ["status"], ["status", "--by-key"], ["inspect"], ["verify"], ["verify", "--offline"],
        ["rewrap", "--check"],
    ])
    func reportsAPathWithoutWrappedSecretsAndAnUnreadableFile(command: [String]) async throws {
        try await wrap("db")
        _ = try await run(command + [folder.path])
        try folder.write("x.yaml", "apiVersion: v1\nkind: Secret\n")
        _ = try await run(command + [folder.path])
        let plain = try await run(command + [folder.path("x.yaml"), folder.path("db.yaml")], status: 1)
        #expect(plain.errors.contains("x.yaml: no WrappedSecret found"), "\(plain.errors)")
        // It hides neither the problem nor the WrappedSecrets behind it.
        try folder.write("a.yaml", "kind: WrappedSecret\n<<<<<<< ours\n")
        let outcome = try await run(command + [folder.path, folder.path("nope")], status: 1)
        #expect(outcome.errors.contains("a.yaml:2:1: <<<<<<<"))
        #expect(outcome.errors.contains("nope: No such"))
        #expect(outcome.output != "", "\(outcome.errors)")
    }

    @Test(arguments: [["verify"], ["rewrap", "--check"]])
    func reportsAWrongKeyForManyFilesOnce(command: [String]) async throws {
        try await wrap("db")
        let wrapped = try folder.read("db.yaml")
        for index in 1..<300 { try folder.write("f\(index).yaml", wrapped) }
        try folder.write("broken.yaml", "kind: WrappedSecret\n<<<<<<< ours\n")
        let other = Data(repeating: 5, count: 32).base64EncodedString()
        let outcome = try await run(command + [folder.path], ["SB_WRAP_MASTER_KEY": other], status: 1)
        let errors = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }
        #expect(errors.count == 3, "\(outcome.errors)")
        #expect(errors.count { $0.contains(" a configured key") } == 1)
        #expect(errors.contains { $0.hasPrefix("error: 299 more have the same problem as ") })
        #expect(errors.contains { $0.contains("broken.yaml") })
        #expect(outcome.output.contains("300") || outcome.output.contains("301"), "\(outcome.output)")
    }

    @Test func abbreviatesKeysUnlessTheTableIsWide() async throws {
        try await wrap("db")
        let whole = try await run(["status", "--by-key", folder.path])
        let id = try #require(whole.output.split(separator: "\n").last?.split(separator: " ").first)
        #expect(id.hasPrefix("local:"))
        #expect(id.count == 70)
        let table = try await run(["status", folder.path])
        #expect(table.output.contains(" \(id.prefix(18)) "))
        #expect(!table.output.contains(id))
        for format in ["wide", "json", "yaml"] {
            let full = try await run(["status", "-o", format, folder.path], location: #_sourceLocation)
            #expect(full.output.contains(id), "\(full.output)")
        }
    }

    @Test(arguments: [
        ["status"], ["status", "-o", "json"], ["inspect"], ["verify"], ["rewrap", "--check"], ["version"],
    ])
    func failsIfTheOutputCannotBeWritten(command: [String]) async throws {
        try await wrap("db")
        let binary = try Settings.required().binary
        let arguments = command == ["version"] ? command : command + [folder.path("db.yaml")]
        let outcome = try await Program(
            "/bin/sh", ["-c", "exec \"$@\" >/dev/full", "sh", binary] + arguments, environment: environment
        ).outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors == "error: cannot write the output: No space left on device\n")
    }
}
