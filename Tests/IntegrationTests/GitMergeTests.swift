import Foundation
import TestSupport
import Testing

/// Merges and reviews in a repository that `git-setup` set up.
@Suite(.onRealServers)
struct GitMergeTests {
    private let folder: TemporaryFolder
    private let scratch: TemporaryFolder
    private let canary = "canary-7f3a"

    init() throws {
        folder = try TemporaryFolder()
        scratch = try TemporaryFolder()
    }

    private var file: String { folder.path("secrets/db.yaml") }

    private func environment(withKey: Bool = true) throws -> [String: String] {
        let path = URL(filePath: try Settings.required().binary).deletingLastPathComponent().path
        return [
            "PATH": "\(path):/usr/bin:/bin", "TMPDIR": scratch.path, "HOME": scratch.path,
            "XDG_CONFIG_HOME": scratch.path("config"), "GIT_CONFIG_NOSYSTEM": "1",
            "SB_WRAP_MASTER_KEY": withKey ? BadInputTests.masterKey : "",
        ]
    }

    @discardableResult
    private func git(
        _ arguments: String..., status: Int32 = 0, withKey: Bool = true,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        let outcome = try await Program(
            "/usr/bin/env",
            ["git", "-C", folder.path, "-c", "user.name=t", "-c", "user.email=t@example.org"] + arguments,
            environment: try environment(withKey: withKey)
        ).outcome()
        #expect(
            outcome.status == status, "\(arguments): \(outcome.output)\(outcome.errors)",
            sourceLocation: location)
        #expect(!(outcome.output + outcome.errors).contains(canary), sourceLocation: location)
        return outcome
    }

    /// Runs secrets-bridge in the repository.
    private func run(
        _ arguments: [String], input: String = "", status: Int32 = 0, withKey: Bool = true,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        let outcome = try await Program(
            "/usr/bin/env", ["-C", folder.path, try Settings.required().binary] + arguments,
            environment: try environment(withKey: withKey), input: Data(input.utf8)
        ).outcome()
        #expect(
            outcome.status == status, "\(arguments): \(outcome.output)\(outcome.errors)",
            sourceLocation: location)
        return outcome
    }

    private func values() async throws -> [String: String] {
        let secret = try await run(["unwrap", "-o", "json", file]).output
        let data = try AnyJSON(Array(secret.utf8))["data"]?.fields ?? [:]
        return data.mapValues { value in
            Data(base64Encoded: value.string ?? "").map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
    }

    private func set(_ entry: String, _ value: String) async throws {
        _ = try await run(["set", file, "--from-file", "\(entry)=/dev/stdin"], input: value)
    }

    /// Creates a repository with the drivers and one WrappedSecret.
    private func repository() async throws {
        try await git("init", "-q", "-b", "main")
        _ = try await run(["git-setup", "secrets/*.yaml"])
        let secret =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \(canary)0, user: \(canary)1}\n"
        let wrapped = try await run(["wrap", "-n", "payments"], input: secret).output
        try folder.write("secrets/db.yaml", wrapped)
        try await commit("first")
    }

    private func commit(_ message: String) async throws {
        try await git("add", "-A")
        try await git("commit", "-q", "-m", message)
    }

    /// Commits an edit on the branch `theirs`, and another one on `main`.
    private func branches(
        _ ours: (entry: String, value: String), _ theirs: (entry: String, value: String)
    ) async throws {
        try await git("checkout", "-q", "-b", "theirs")
        try await set(theirs.entry, theirs.value)
        try await commit("theirs")
        try await git("checkout", "-q", "main")
        try await set(ours.entry, ours.value)
        try await commit("ours")
    }

    private func expectNoCanaryInFiles(location: SourceLocation = #_sourceLocation) throws {
        for root in [folder.path, scratch.path] {
            let files = FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []
            for name in files {
                guard let data = FileManager.default.contents(atPath: "\(root)/\(name)") else { continue }
                #expect(data.range(of: Data(canary.utf8)) == nil, "\(name)", sourceLocation: location)
            }
        }
    }

    @Test func mergesEditsOfDifferentEntries() async throws {
        try await repository()
        try await branches(("password", "\(canary)-ours"), ("token", "\(canary)-theirs"))
        let outcome = try await git("merge", "-q", "--no-edit", "theirs")
        #expect(outcome.errors.contains("the edits of both sides were merged by entry"))
        #expect(
            try await values() == [
                "password": "\(canary)-ours", "token": "\(canary)-theirs", "user": "\(canary)1",
            ])
        try expectNoCanaryInFiles()
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
    }

    @Test func stopsAtAnEntryThatBothSidesChanged() async throws {
        try await repository()
        try await branches(("password", "\(canary)-ours"), ("password", "\(canary)-theirs"))
        let outcome = try await git("merge", "-q", "--no-edit", "theirs", status: 1)
        #expect(
            outcome.errors.contains("CONFLICT: secrets/db.yaml: entry password was changed on both sides\n"))
        #expect(outcome.errors.contains("git checkout --ours -- secrets/db.yaml"))
        let text = try folder.read("secrets/db.yaml")
        #expect(text.contains("<<<<<<< ours\n"))
        #expect(try await run(["verify", file], status: 1).errors.contains("conflict marker"))
        try expectNoCanaryInFiles()
        // The remedy of the message.
        try await git("checkout", "--theirs", "--", "secrets/db.yaml")
        try await set("password", "both")
        try await commit("merged")
        #expect(try await values() == ["password": "both", "user": "\(canary)1"])
    }

    @Test func namesTheMissingKeyAndLeavesAConflict() async throws {
        try await repository()
        try await branches(("password", "ours"), ("token", "theirs"))
        let outcome = try await git("merge", "-q", "--no-edit", "theirs", status: 1, withKey: false)
        #expect(
            outcome.errors.contains("CONFLICT: secrets/db.yaml: a key that decrypts both sides is needed"))
        #expect(try folder.read("secrets/db.yaml").contains("<<<<<<< ours\n"))
    }

    @Test func needsNoKeyIfOneSideChangedNoValue() async throws {
        try await repository()
        try await git("checkout", "-q", "-b", "theirs")
        try await set("user", "theirs")
        try await commit("theirs")
        try await git("checkout", "-q", "main")
        try folder.write("secrets/db.yaml", "# ours\n" + (try folder.read("secrets/db.yaml")))
        try await commit("ours")
        try await git("merge", "-q", "--no-edit", "theirs", withKey: false)
        #expect(try await values()["user"] == "theirs")
        #expect(try folder.read("secrets/db.yaml").hasPrefix("# ours\n"))
    }

    @Test func setsUpOnceAndRemovesEverything() async throws {
        try await git("init", "-q", "-b", "main")
        try folder.write(".gitattributes", "*.png binary\n")
        let first = try await run(["git-setup"])
        #expect(first.output.contains("set merge.wrappedsecret.driver = secrets-bridge git-merge"))
        #expect(first.output.contains("added *.yaml to "))
        let second = try await run(["git-setup"])
        #expect(second.output == "")
        #expect(second.errors.contains("nothing changed"))
        _ = try await run(["git-setup", "--remove"])
        #expect(try folder.read(".gitattributes") == "*.png binary\n")
        #expect(try !folder.read(".git/config").contains("secrets-bridge"))
        _ = try await run(["git-setup", "--global", "*.yml"])
        #expect(
            try scratch.read("config/git/attributes") == "*.yml diff=wrappedsecret merge=wrappedsecret\n")
    }

    @Test func reviewsTwoCommits() async throws {
        try await repository()
        try await git("checkout", "-q", "-b", "theirs")
        try await set("token", "\(canary)-token")
        let odd = "odd `@team`\n<b>.yaml"
        try await git("mv", "secrets/db.yaml", odd)
        try await commit("theirs")
        try await git("checkout", "-q", "main")
        try folder.write("secrets/other.yaml", "# WrappedSecret\n")
        try folder.link("secrets/link.yaml", to: "/etc/passwd")
        try await commit("ours")
        let markdown = try await run(
            ["diff", "--git", "main...theirs", "-o", "markdown"], withKey: false
        ).output
        #expect(markdown.contains("- moved `payments/db` in `odd \\u{60}@team\\u{60}\\n<b>.yaml`\n"))
        #expect(markdown.contains("  - moved from `secrets/db.yaml`\n"))
        #expect(markdown.contains("  - entry added: `token`\n"))
        #expect(!markdown.contains(canary))
        let opened = try await run(["diff", "--git", "main..theirs", "--open", "--exit-code"], status: 1)
        #expect(opened.output.contains("entry added: token\n"))
        #expect(!opened.output.contains("may have"))
        let json = try await run(["diff", "--git", "main..main", "-o", "json", "--exit-code"]).output
        #expect(json == "[]\n")
    }

    @Test(arguments: ["main..nowhere", "--help..main", "main", "main..--output=x"])
    func refusesARevisionThatDoesNotExist(range: String) async throws {
        try await repository()
        let outcome = try await run(
            ["diff", "--git=\(range)"], status: range == "main..nowhere" ? 2 : 64)
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("error: "), "\(outcome.errors)")
    }
}
