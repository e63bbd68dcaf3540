import Foundation
import TestSupport
import Testing

/// Diffs of WrappedSecrets in git, with each of the drivers.
@Suite(.onRealServers)
struct GitTests {
    private let folder: TemporaryFolder
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private var file: String { folder.path("db.yaml") }

    init() throws { folder = try TemporaryFolder() }
    private func run(_ arguments: [String], input: String = "") async throws -> String {
        let outcome = try await Program(
            try Settings.required().binary, arguments, environment: environment, input: Data(input.utf8)
        ).outcome()
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome.output
    }

    private func git(_ arguments: String...) async throws -> String {
        let outcome = try await Program(
            "/usr/bin/env",
            ["git", "-C", folder.path, "-c", "user.name=t", "-c", "user.email=t@example.org"] + arguments,
            environment: environment
        ).outcome()
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome.output
    }

    private func write(_ text: String, _ name: String = "db.yaml") throws { try folder.write(name, text) }

    /// Creates a repository with a WrappedSecret and a ConfigMap in one file, and returns the file's text.
    private func repository() async throws -> String {
        let secret =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: old, user: app}\n"
        let text =
            try await run(["wrap", "-n", "payments"], input: secret)
            + "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\n"
        try write(text)
        try write("kind: ConfigMap\nmetadata: {name: other}\n", "other.yaml")
        try write("*.yaml diff=wrappedsecret\n", ".gitattributes")
        _ = try await git("init", "-q")
        _ = try await git("add", ".")
        _ = try await git("commit", "-q", "-m", "first")
        return text
    }

    /// Returns the diff of both commands.
    private func diffs(_ arguments: String...) async throws -> (named: String, text: String) {
        let binary = try Settings.required().binary
        func diff(_ driver: String, _ command: String) async throws -> String {
            let outcome = try await Program(
                "/usr/bin/env",
                ["git", "-C", folder.path, "-c", "diff.wrappedsecret.\(driver)=\(binary) \(command)", "diff"]
                    + arguments, environment: environment
            ).outcome()
            #expect(outcome.status == 0, "\(command): \(outcome.errors)")
            return outcome.output
        }
        return (try await diff("command", "git-diff --"), try await diff("textconv", "git-textconv --"))
    }

    @Test func namesChangedEntries() async throws {
        _ = try await repository()
        _ = try await run(["set", file, "--from-literal", "user=other"])
        let (named, text) = try await diffs()
        #expect(
            named.hasPrefix("wrappedsecret db.yaml\n  WrappedSecret payments/db\n    ~ user\n@@ -"),
            "\(named)")
        for diff in [named, text] {
            let user = try Regex(#"\n-    user: "?sha256:[0-9a-f]{32}"?\n"#)
            #expect(diff.contains(user), "\(diff)")
            #expect(!diff.contains("other"))
            #expect(!diff.contains("creationTimestamp"))
        }
    }

    static let changes: [(String, String)] = [
        ("namespace: payments", "namespace: other"),
        ("  scope: strict", "  creationPolicy: Merge\n  scope: strict"),
        ("  scope: strict", "  rolloutRestart: [{kind: Deployment, name: x}]\n  scope: strict"),
        ("wrappedKey: ", "wrappedKey: AAAA"), ("mac: ", "mac: AAAA"), ("user: ", "user: AAAA"),
        ("name: plain", "name: changed"), ("kind: ConfigMap", "kind: ClusterRoleBinding"),
        ("apiVersion: secrets-bridge.io", "# a comment\napiVersion: secrets-bridge.io"),
    ]

    @Test(arguments: changes)
    func showsEveryChange(change: (String, String)) async throws {
        let before = try await repository()
        let after = before.replacing(change.0, with: change.1, maxReplacements: 1)
        try #require(after != before)
        try write(after)
        let (named, text) = try await diffs()
        for diff in [named, text] {
            #expect(diff.contains("\n+"), "\(change): \(diff)")
            #expect(!diff.contains("AAAA"), "\(diff)")
        }
    }

    @Test func showsAddedRemovedMovedAndOtherFiles() async throws {
        let text = try await repository()
        try write("kind: ConfigMap\nmetadata: {name: changed}\n", "other.yaml")
        let (named, converted) = try await diffs()
        for diff in [named, converted] {
            #expect(diff.contains("-metadata: {name: other}\n+metadata: {name: changed}\n"), "\(diff)")
        }
        try write(text, "new.yaml")
        _ = try await git("rm", "-q", "other.yaml", "--force")
        _ = try await git("mv", "db.yaml", "moved.yaml")
        chmod(folder.path("moved.yaml"), 0o755)
        _ = try await git("add", ".")
        let all = try await diffs("--cached", "-M").named
        for part in [
            "wrappedsecret new.yaml", "+ WrappedSecret payments/db",
            "wrappedsecret other.yaml\n@@ -1,2 +0,0 @@\n",
            "db.yaml",
            "old mode 100644\nnew mode 100755\n",
        ] {
            #expect(all.contains(part), "\(part) in \(all)")
        }
    }

    @Test func showsUnparsableFilesUnchanged() async throws {
        let text = try await repository()
        try write("<<<<<<< HEAD\n\(text)=======\n>>>>>>> other\n")
        try write("kind: ConfigMap\nmetadata: {name: changed}\n", "other.yaml")
        let (named, converted) = try await diffs()
        for diff in [named, converted] {
            #expect(diff.contains("+<<<<<<< HEAD\n"), "\(diff)")
            #expect(diff.contains("+metadata: {name: changed}"), "\(diff)")
        }
        // The index contains the file in the middle of a merge.
        _ = try await git("add", ".")
        _ = try await git("commit", "-q", "-m", "second")
        _ = try await git("checkout", "-q", "-b", "branch", "HEAD~1")
        try write(text + "# theirs\n")
        _ = try await git("commit", "-q", "-a", "-m", "third")
        _ = try await Program(
            "/usr/bin/env",
            [
                "git", "-C", folder.path, "-c", "user.name=t", "-c", "user.email=t@example.org", "merge",
                "-q", "-",
            ]
        ).outcome()
        let merging = try await diffs("--cached").named
        #expect(
            merging.hasPrefix("wrappedsecret db.yaml: is being merged\nwrappedsecret other.yaml\n"),
            "\(merging)")
    }
}
