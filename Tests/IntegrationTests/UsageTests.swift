import Foundation
import TestSupport
import Testing

/// A wrong command line exits with 64 and a message in one format with a hint.
@Suite(.onRealServers)
struct UsageTests {
    private let folder: TemporaryFolder
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]

    init() throws { folder = try TemporaryFolder() }

    private func run(
        _ arguments: [String], input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            arguments, environment, input: Data(input.utf8), status: status, location: location)
    }

    /// `validate()` misses the value of such an option, and runs first.
    @Test(arguments: [
        ["set", "db.yaml", "--from-lit", "a=1"], ["wrap", "-n", "p", "--name", "db", "--from-lit", "a=1"],
        ["move", "db.yaml", "--nam", "y"], ["wrap", "--nope"],
    ])
    func namesAnUnknownOption(arguments: [String]) async throws {
        let option = arguments.first { ["--from-lit", "--nam", "--nope"].contains($0) } ?? ""
        let outcome = try await run(arguments, status: 64)
        #expect(outcome.errors.hasPrefix("error: Unknown option '\(option)'"), "\(outcome.errors)")
    }

    @Test(arguments: [
        ["warp"], ["help", "warp"], ["wrap", "--nope"], ["wrap", "-o", "xml"], ["wrap", "--scope", "galaxy"],
        ["wrap", "-f"], ["wrap", "-w"], ["wrap", "-n", "Payments"], ["wrap", "-", "-f", "-"],
        ["unwrap", "-n", "a_b"], ["unwrap", "-", "/dev/stdin"],
        ["wrap", "-n", "payments", "--name", "db", "--from-literal", "k"],
        ["wrap", "-n", "payments", "--name", "db", "--from-literal", "a/b=v"],
        ["wrap", "-n", "payments", "--name", "db", "--from-file", "a=b=c"],
        ["wrap", "-n", "payments", "--name", "db", "--from-file", "a/b=/etc/hostname"],
        ["wrap", "-n", "payments", "--name", "db", "--from-file", "k=/etc"],
        ["wrap", "-n", "payments", "--name", "db", "--from-file", "a=-", "--from-file", "b=/dev/stdin"],
        ["wrap", "-n", "payments", "--name", "Db", "--from-literal", "k=v"],
        ["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v", "secret.yaml"],
        ["wrap", "--name", "db", "--from-literal", "k=v"],
        ["set", "db.yaml", "--from-literal", "k"], ["set", "-", "--from-literal", "k=v"], ["edit", "-"],
        ["set", "db.yaml"], ["set", "db.yaml", "a/b"],
        ["wrap", "-n", "payments", "--name", "db", "--tls-cert", "a.crt"],
        ["wrap", "-n", "payments", "--name", "db", "--docker-server", "ghcr.io"],
        ["wrap", "-n", "payments", "--label", "a"], ["wrap", "-n", "payments", "--annotation", "=b"],
        ["wrap", "-n", "payments", "--secret-name", "Db"],
        ["wrap", "-n", "payments", "--creation-policy", "Keep"],
        ["create", "-"], ["create", "db.yaml", "-n", "Payments"], ["create", "db.yaml", "--name", "Db"],
        ["move", "db.yaml"], ["move", "-", "--name", "x"], ["move", "db.yaml", "--name", "Db"],
        ["import", "--sops", "a.yaml", "--sealed", "b.yaml", "--sealing-key", "k"],
        ["import", "--sops", "a.yaml", "db"], ["import", "--sops", "-"],
        ["import", "--name", "db", "-n", "x"],
        ["unset", "-", "k"], ["rotate-value", "-", "k"], ["rotate-value", "db.yaml", "a/b"], ["rewrap", "-"],
        ["inspect", "-n", "Payments", "db.yaml"], ["verify", "-n", "Payments", "db.yaml"],
        ["verify", "-o", "table", "db.yaml"], ["diff", "-o", "wide", "db.yaml"],
        ["diff", "-n", "X", "db.yaml"],
        ["status", "-n", "Payments"], ["doctor", "-n", "Payments"], ["import", "-n", "Payments"],
        ["import", "-n", "payments", "Db"], ["import", "-n", "payments", "../db"],
        ["import", "-n", "payments", "--folder", "x", "-w", "y"],
        ["rewrap", "-n", "Payments"], ["git-diff", "a", "b", "c"], ["git-merge", "a", "b"],
        ["git-setup", "--remove", "*.yaml"], ["git-setup", "!x"], ["diff", "-o", "markdown", "db.yaml"],
        ["diff", "--git", "main"], ["controller", "--workers", "none"],
    ])
    func exits64ForWrongUsage(arguments: [String]) async throws {
        let outcome = try await run(arguments, status: 64)
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("error: "), "\(outcome.errors)")
        #expect(!outcome.errors.contains("Error"), "\(outcome.errors)")
    }

    @Test(arguments: [
        ("warp", "wrap"), ("unwarp", "unwrap"), ("Wrap", "wrap"), ("encrypt", "wrap"), ("seal", "wrap"),
        ("decrypt", "unwrap"), ("unseal", "unwrap"), ("get", "status"), ("verfy", "verify"),
        ("rewarp", "rewrap"),
        ("new", "create"), ("rename", "move"), ("statsu", "status"), ("updatekeys", "rewrap"),
        ("lint", "verify"),
    ])
    func suggestsACommandForAMistypedOne(word: String, command: String) async throws {
        for arguments in [[word], [word, "-n", "payments", "db.yaml"], ["help", word]] {
            let outcome = try await run(arguments, status: 64)
            let first = outcome.errors.split(separator: "\n").first ?? ""
            #expect(
                first.hasPrefix(#"error: "\#(word)" is not a command; did you mean \#(command)"#), "\(first)")
        }
    }

    @Test func suggestsNothingForADissimilarWord() async throws {
        let outcome = try await run(["frobnicate"], status: 64)
        #expect(!outcome.errors.contains("did you mean"))
        #expect(outcome.errors.contains("--help"))
    }

    @Test func printsHelpWithoutAnError() async throws {
        for arguments in [["help"], ["help", "wrap"], ["wrap", "--help"], ["--version"], ["help", "help"]] {
            let outcome = try await run(arguments)
            #expect(outcome.output != "", "\(arguments): \(outcome.errors)")
            #expect(outcome.errors == "", "\(arguments): \(outcome.errors)")
        }
    }

    @Test func acceptsSeveralPositionalFiles() async throws {
        for name in ["a", "b", "c"] {
            try folder.write(
                "\(name).yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: \(name)}\nstringData: {k: v}\n")
        }
        let wrapped = try await run([
            "wrap", "-f", folder.path("a.yaml"), folder.path("b.yaml"), "-n", "payments",
            folder.path("c.yaml"),
        ])
        for name in ["a", "b", "c"] { #expect(wrapped.output.contains("name: \(name)\n")) }
        try folder.write("wrapped.yaml", wrapped.output)
        for arguments in [
            ["unwrap", folder.path("wrapped.yaml")], ["unwrap", "-f", folder.path("wrapped.yaml")],
        ] {
            #expect(try await run(arguments).output.split(separator: "---\n").count == 3)
        }
        #expect(try await run(["unwrap", "-"], input: wrapped.output).output.contains("name: c\n"))
    }

    @Test func verifyPrintsItsResultAsJSON() async throws {
        let wrapped = try await run(["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v"])
        try folder.write("good.yaml", wrapped.output)
        try folder.write("bad.yaml", wrapped.output.replacing("name: db", with: "name: other"))
        let outcome = try await run(
            ["verify", "-o", "json", folder.path("good.yaml"), folder.path("bad.yaml"), folder.path("nope")],
            status: 1)
        let found = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        #expect(found.map { $0["ok"] as? Bool } == [true, false, false])
        #expect(found.map { $0["name"] as? String } == ["db", "other", nil])
        #expect(found.map { $0["namespace"] as? String } == ["payments", "payments", nil])
        #expect(found[0]["place"] as? String == "\(folder.path("good.yaml")):1:1")
        #expect(found[0]["notes"] as? [String] == [])
        #expect(found[0]["problem"] == nil)
        for item in found.dropFirst() {
            let problem = try #require(item["problem"] as? String)
            #expect(outcome.errors.contains("error: \(problem)\n"))
        }
        let good = try await run(["verify", "--offline", "-o", "yaml", folder.path("good.yaml")])
        #expect(good.output.contains("ok: true"))
    }

    @Test func diffPrintsDifferencesAsJSON() async throws {
        try await TestNamespace.withShared { namespace in
            let settings = [
                "KUBECONFIG": namespace.cluster.kubeconfig, "SB_WRAP_MASTER_KEY": namespace.masterKey,
            ]
            func run(_ arguments: [String], status: Int32 = 0) async throws -> String {
                try await secretsBridge(
                    arguments, settings, status: status, canary: "canary", location: #_sourceLocation
                ).output
            }
            let file = folder.path("db.yaml")
            try await namespace.kubectl(
                "create", "secret", "generic", "db", "--from-literal=a=1", "--from-literal=old=1")
            _ = try await run([
                "wrap", "-n", namespace.name, "--name", "db", "--from-literal", "a=canary", "--from-literal",
                "new=1",
                "--type", "example.org/x", "-w", file,
            ])
            let text = try await run(["diff", "-o", "json", file], status: 1)
            #expect(!text.contains("canary"))
            let found = try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
            #expect(found.count == 1)
            #expect(found.first?["secretName"] as? String == "db")
            #expect(found.first?["namespace"] as? String == namespace.name)
            #expect(found.first?["place"] as? String == "\(file):2:1")
            let changes = try #require(found.first?["changes"] as? [[String: Any]])
            let shown = changes.map { change in
                ["change", "what", "name", "from", "to"].compactMap { change[$0] as? String }.joined(
                    separator: " ")
            }
            #expect(
                shown == [
                    "added entry new", "removed entry old", "changed entry a",
                    "changed type Opaque example.org/x",
                ])
            #expect(try await run(["diff", file], status: 1).contains("  ~ type: Opaque -> example.org/x\n"))
            try await namespace.kubectl("delete", "secret", "db")
            #expect(try await run(["diff", "-o", "json", file], status: 1).contains(#""what": "secret""#))
        }
    }

    @Test(arguments: [
        ["wrap", "-n", "payments"], ["unwrap"], ["verify", "-"], ["inspect", "-"],
        ["wrap", "-n", "payments", "--name", "db", "--from-file", "k=/dev/stdin"],
        ["wrap", "-n", "payments", "--name", "db", "--from-env-file", "/dev/stdin"],
    ])
    func notesThatItReadsFromTheTerminal(command: [String]) async throws {
        let settings = try Settings.required()
        let hint = "note: reading from the terminal; end with Ctrl-D"
        let shown = try await Program(
            settings.python,
            ["\(settings.repository)/Tests/Clients/terminal.py", "Ctrl-D", "k=v\n\u{4}", settings.binary]
                + command,
            environment: environment.merging(["NO_COLOR": "1"]) { $1 }
        ).outcome().output
        #expect(shown.contains(hint), "\(shown)")
        #expect(
            try await !run(command, input: "k=v\n", status: command.contains("--name") ? 0 : 1).errors
                .contains(hint))
    }

    @Test func notesTheLineBreakOfEcho() async throws {
        let binary = try Settings.required().binary
        let pipe = folder.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        let wrap = #""$0" wrap -n payments --name db -o json"#
        for (script, isNoted) in [
            (#"echo secret | \#(wrap) --from-file k=/dev/stdin"#, true),
            (#"echo secret | \#(wrap) --from-file k=-"#, true),
            (#"echo secret | \#(wrap) --from-file k=/dev/fd/0"#, true),
            (#"echo secret | \#(wrap) --from-file k=/proc/self/fd/0"#, true),
            (#"\#(wrap) --from-file k=<(echo secret)"#, true),
            (#"echo secret >"$1" & \#(wrap) --from-file k="$1""#, true),
            (#"echo secret >"$2"; \#(wrap) --from-file k=/dev/stdin <"$2""#, true),
            (#"printf 'secret\r\n' | \#(wrap) --from-file k=/dev/stdin"#, true),
            (#"printf secret | \#(wrap) --from-file k=/dev/stdin"#, false),
            (#"printf 'a\nb\n' | \#(wrap) --from-file k=/dev/stdin"#, false),
            (#"echo secret >"$2"; \#(wrap) --from-file k="$2""#, false),
        ] {
            let outcome = try await Program(
                "/bin/bash", ["-c", script, binary, pipe, folder.path("file")], environment: environment
            ).outcome()
            #expect(outcome.status == 0, "\(script): \(outcome.errors)")
            let note = #"note: the value of "k" ends with a line break"#
            #expect(outcome.errors.contains(note) == isNoted, "\(script): \(outcome.errors)")
        }
        let wrapped = try await run(["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v"])
        try folder.write("db.yaml", wrapped.output)
        let set = try await run(
            ["set", folder.path("db.yaml"), "--from-file", "k=/dev/stdin"], input: "secret\n")
        #expect(set.errors.contains("ends with a line break"), "\(set.errors)")
        #expect(!set.errors.contains("secret\n"))
    }
}
