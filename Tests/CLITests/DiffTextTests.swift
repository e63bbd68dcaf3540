import Cryptography
import Foundation
import System
import TestSupport
import Testing

@testable import CLI

/// The texts that git-diff and git-textconv print.
struct DiffTextTests {
    private func diff(_ old: String, _ new: String) -> [String] {
        UnifiedDiff(from: SharedSecret(copying: old.utf8), to: SharedSecret(copying: new.utf8)).lines
    }

    @Test func showsThreeLinesOfContext() {
        let old = (1...30).map { "\($0)\n" }
        var new = old
        new[9] = "ten\n"
        new[12] = "thirteen\n"
        new.append("end")
        #expect(
            diff(old.joined(), new.joined()) == [
                "@@ -7,10 +7,10 @@", " 7", " 8", " 9", "-10", "+ten", " 11", " 12", "-13", "+thirteen", " 14",
                " 15",
                " 16", "@@ -28,3 +28,4 @@", " 28", " 29", " 30", "+end", #"\ No newline at end of file"#,
            ])
        #expect(diff("a\n", "a\n") == [])
        #expect(diff("a\n", "a") == ["@@ -1,1 +1,1 @@", "-a", "+a", #"\ No newline at end of file"#])
    }

    @Test func escapesBytesThatAreNotUTF8() {
        let (old, new): ([UInt8], [UInt8]) = ([0xFF, 10], [0xFE, 10])
        let lines = UnifiedDiff(from: SharedSecret(copying: old), to: SharedSecret(copying: new)).lines
        #expect(lines == ["@@ -1,1 +1,1 @@", #"-\xff"#, #"+\xfe"#])
    }

    /// Git independently applies the diff to the old text.
    @Test(arguments: 0..<40)
    func createsADiffThatGitApplies(seed: Int) async throws {
        var generator = SeededGenerator(seed)
        func text(_ lines: [String]) -> String {
            lines.joined(separator: "\n") + (Bool.random(using: &generator) ? "\n" : "")
        }
        // Two of the texts are too long for a comparison line by line.
        let count = seed < 2 ? 3000 : 30
        let lines = (0..<count).map { _ in "line \(Int.random(in: 0..<8, using: &generator))" }
        let changed = lines.flatMap { line in
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: [String]()
            case 1: [line, "new"]
            case 2: ["other"]
            default: [line]
            }
        }
        let (old, new) = (text(lines), text(changed + ["end"]))
        let folder = try TemporaryFolder()
        try folder.write("x", old)
        let patch = "--- a/x\n+++ b/x\n" + diff(old, new).map { "\($0)\n" }.joined()
        try folder.write("patch", patch)
        let result = try await ChildProcess(
            executable: "/usr/bin/env", arguments: ["git", "-C", folder.path, "apply", "patch"],
            environment: [
                "PATH": "/usr/bin:/bin",
                "GIT_CEILING_DIRECTORIES": URL(filePath: folder.path).deletingLastPathComponent().path,
            ],
            isInteractive: false, outputLimit: 4096, deadline: .seconds(60)
        ).run()
        #expect(result.exitCode == 0)
        #expect(try folder.read("x") == new)
    }

    private func review(_ contents: String) -> String? {
        text(ReviewText(path: "x", SharedSecret(copying: contents.utf8)).bytes)
    }

    private let manifest = """
        # A comment.
        apiVersion: secrets-bridge.io/v1alpha1
        kind: WrappedSecret
        metadata: {name: db, annotations: {mac: kept}}
        spec:
          format: v1
          scope: strict
          recipients:
            - {keyID: "local:1", wrappedKey: 'AAAA'}
          mac: BBBB
          data:
            a: |-
              CCCC
            b: "DDDD" # why

        """

    @Test func hashesOnlyCiphertexts() throws {
        let shown = try #require(review(manifest))
        for part in ["AAAA", "BBBB", "CCCC", "DDDD"] { #expect(!shown.contains(part)) }
        for part in ["# A comment.", "annotations: {mac: kept}", "keyID: \"local:1\"", "# why"] {
            #expect(shown.contains(part), "\(shown)")
        }
        #expect(shown.matches(of: /sha256:[0-9a-f]{32}/).count == 4)
        // Every change is visible.
        for (old, new) in [
            ("AAAA", "AAAB"), ("'AAAA'", "AAAA"), ("CCCC", "CCCC\n      C"), ("# why", "# not"),
        ] {
            #expect(review(manifest.replacing(old, with: new)) != shown, "\(new)")
        }
    }

    @Test(arguments: [
        "<<<<<<< HEAD\nkind: WrappedSecret\n", "kind: WrappedSecret\nspec: 1\n", "a: b\n", "", "\0",
    ])
    func keepsATextWithoutWrappedSecrets(contents: String) {
        #expect(review(contents) == contents)
    }
}
