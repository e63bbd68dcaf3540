import Foundation
import TestSupport
import Testing

/// The hook of docs/gitops.md in a repository with other files.
@Suite(.onRealServers)
struct PreCommitHookTests {
    private let folder: TemporaryFolder
    private let canary = "canary-7f3a"

    init() throws { folder = try TemporaryFolder() }

    /// Returns the first code block of a language in the section.
    private static func block(_ language: String) throws -> String {
        let page = try String(
            contentsOf: URL(filePath: "\(try Settings.required().repository)/docs/gitops.md"), encoding: .utf8
        )
        let section = try #require(page.components(separatedBy: "## Before a commit\n").last)
        let rest = try #require(section.components(separatedBy: "```\(language)\n").dropFirst().first)
        return try #require(rest.components(separatedBy: "```").first)
    }

    private func git(_ arguments: String..., status: Int32 = 0, location: SourceLocation = #_sourceLocation)
        async throws -> Program.Outcome
    {
        let path = URL(filePath: try Settings.required().binary).deletingLastPathComponent().path
        let outcome = try await Program(
            "/usr/bin/env",
            ["git", "-C", folder.path, "-c", "user.name=t", "-c", "user.email=t@example.org"] + arguments,
            environment: [
                "PATH": "\(path):/usr/bin:/bin", "SB_WRAP_MASTER_KEY": "", "TMPDIR": folder.path(".git"),
            ]
        ).outcome()
        #expect(outcome.status == status, "\(arguments): \(outcome.errors)", sourceLocation: location)
        #expect(!outcome.errors.contains(canary), sourceLocation: location)
        return outcome
    }

    private func commit(status: Int32 = 0, location: SourceLocation = #_sourceLocation) async throws -> String
    {
        _ = try await git("add", "-A", location: location)
        return try await git("commit", "-q", "-m", "x", status: status, location: location).errors
    }

    private var secret: String {
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \(canary)}\n"
    }

    private func wrapped() async throws -> String {
        try await secretsBridge(
            ["wrap", "-n", "payments"], ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey],
            input: Data(secret.utf8),
            canary: canary, location: #_sourceLocation
        ).output
    }

    private func repository() async throws {
        _ = try await git("init", "-q")
        try folder.writeProgram(".git/hooks/pre-commit", try Self.block("sh"))
        try folder.write("README.md", "```yaml\n\(secret)```\n")
        try folder.write("main.go", "package main // kind: Secret\n")
        try folder.write("picture.png", [0x89, 0x50, 0x4E, 0x47, 0, 0xFF])
        try folder.write("config map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
        try folder.write("fixture.yaml", "a: [\n")
        try folder.write("chart/templates/secret.yaml", "{{- if .Values.x }}\n\(secret){{- end }}\n")
        try folder.link("link.yaml", to: "/nonexistent")
        try folder.write("secrets/a db.yaml", try await wrapped())
    }

    @Test func commitsIntactFilesAmongOthers() async throws {
        try await repository()
        let errors = try await commit()
        #expect(errors.contains("note: chart/templates/secret.yaml: is a template"), "\(errors)")
        // A renamed file, a deleted file, and a commit without manifests.
        _ = try await git("mv", "secrets/a db.yaml", "secrets/b.yaml")
        _ = try await git("rm", "-q", "config map.yaml", "link.yaml")
        _ = try await commit()
        try folder.write("main.go", "package other\n")
        _ = try await commit()
        _ = try await git("commit", "-q", "--allow-empty", "-m", "nothing")
        #expect(try await git("status", "--porcelain").output == "")
    }

    @Test func stopsAnUnencryptedSecret() async throws {
        try await repository()
        _ = try await commit()
        try folder.write(".hidden/a b.yml", secret)
        let errors = try await commit(status: 1)
        #expect(
            errors.contains(#"error: .hidden/a b.yml:1:1: Secret "db" is not encrypted (1 value)"#),
            "\(errors)")
        #expect(!errors.contains("config map"), "\(errors)")
    }

    @Test func stopsADamagedWrappedSecret() async throws {
        try await repository()
        _ = try await commit()
        let text = try folder.read("secrets/a db.yaml")
        try folder.write("secrets/a db.yaml", text.replacing("spec:\n", with: "<<<<<<< HEAD\nspec:\n"))
        let errors = try await commit(status: 1)
        #expect(errors.contains("secrets/a db.yaml:6:1: <<<<<<< is a conflict marker of git"), "\(errors)")
        try folder.write("secrets/a db.yaml", text.replacing("format: v1", with: "format: v9"))
        #expect(try await commit(status: 1).contains("secrets/a db.yaml:1:1: "))
    }

    @Test func checksTheIndexAndNotTheWorkingTree() async throws {
        try await repository()
        _ = try await commit()
        // The working tree is corrected, but the index is not.
        try folder.write("new.yaml", secret)
        _ = try await git("add", "-A")
        try folder.write("new.yaml", "{}\n")
        #expect(try await git("commit", "-q", "-m", "x", status: 1).errors.contains("new.yaml:1:1: Secret"))
        // The index is corrected, but the working tree is not.
        _ = try await git("add", "-A")
        try folder.write("new.yaml", secret)
        _ = try await git("commit", "-q", "-m", "x")
        // A commit of a path has its own index.
        #expect(
            try await git("commit", "-q", "-m", "x", "new.yaml", status: 1).errors.contains(
                "new.yaml:1:1: Secret"))
    }

    /// The program pre-commit splits the entry at spaces and appends the matching files.
    @Test func runsAsAnEntryOfPreCommit() async throws {
        try await repository()
        let settings = try Settings.required()
        let script = "import sys,yaml,json; print(json.dumps(yaml.safe_load(open(sys.argv[1]))[0]))"
        let hooks = "\(settings.repository)/.pre-commit-hooks.yaml"
        let json = try await Program(settings.python, ["-c", script, hooks], environment: [:]).outcome()
        #expect(json.status == 0, "\(json.errors)")
        let hook = try #require(
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let entry = try #require(hook["entry"] as? String).split(separator: " ").map(String.init)
        let files = try Regex(try #require(hook["files"] as? String))
        #expect(entry.first == "secrets-bridge")
        #expect(hook["language"] as? String == "system")
        let names = ["README.md", "config map.yaml", "secrets/a db.yaml", "fixture.yaml"]
        let matching = names.filter { $0.contains(files) }
        #expect(matching == Array(names.dropFirst()))
        let paths = matching.map { folder.path($0) }
        #expect(
            try await Program(settings.binary, entry.dropFirst() + paths, environment: [:]).outcome().status
                == 0)
        let plain = try folder.write("plain.yaml", secret)
        #expect(
            try await Program(settings.binary, entry.dropFirst() + paths + [plain], environment: [:])
                .outcome().status == 1)
    }
}
