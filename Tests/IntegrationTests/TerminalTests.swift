import Foundation
import TestSupport
import Testing

/// Colours and progress at a terminal and in a pipe.
@Suite(.onRealServers)
struct TerminalTests {
    private let folder: TemporaryFolder
    private var file: String { folder.path("db.yaml") }

    init() throws { folder = try TemporaryFolder() }
    /// Returns an environment without the variables of the tests' own terminal.
    private func environment(_ more: [String: String]) -> [String: String] {
        [
            "SB_WRAP_MASTER_KEY": BadInputTests.masterKey, "TERM": "xterm", "NO_COLOR": "",
            "GIT_PAGER_IN_USE": "",
        ].merging(more) { $1 }
    }

    private func run(
        _ arguments: [String], _ more: [String: String] = [:]
    ) async throws -> Program.Outcome {
        try await Program(try Settings.required().binary, arguments, environment: environment(more)).outcome()
    }

    /// Returns output and errors together, with the terminal's line ends.
    private func runAtTerminal(_ arguments: [String], _ more: [String: String] = [:]) async throws -> String {
        let settings = try Settings.required()
        return try await Program(
            settings.python,
            ["\(settings.repository)/Tests/Clients/terminal.py", "no question", "", settings.binary]
                + arguments, environment: environment(more)
        ).outcome().output
    }

    private func wrap() async throws {
        let wrapped = try await run(["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v"])
        try folder.write("db.yaml", wrapped.output)
    }

    @Test func coloursOnlyTerminalsThatAcceptColours() async throws {
        try await wrap()
        let shown = try await runAtTerminal(["verify", file, folder.path("nope")])
        #expect(shown.contains("\u{1B}[31merror:\u{1B}[0m "), "\(shown)")
        #expect(shown.contains("\u{1B}[31m1 WrappedSecret, 1 problem;"), "\(shown)")
        #expect(try await runAtTerminal(["doctor"]).contains("\u{1B}[32m  yes\u{1B}[0m  unwrap"))
        #expect(try await runAtTerminal(["unset", file, "k"]).contains("\u{1B}[31m- k\u{1B}[0m"))
        try await wrap()
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = try await runAtTerminal(["doctor"], [name: value])
            #expect(plain.contains("  yes  unwrap"), "\(name): \(plain)")
            #expect(!plain.contains("\u{1B}[3"), "\(name): \(plain)")
        }
        let piped = try await run(["verify", file, folder.path("nope")])
        #expect(piped.errors.hasPrefix("error: "))
        #expect(piped.output.hasPrefix("1 WrappedSecret"))
        #expect(!(piped.output + piped.errors).contains("\u{1B}"))
        for format in ["json", "yaml"] {
            let text = try await runAtTerminal(["status", "-o", format, file])
            #expect(text.contains("payments"), "\(text)")
            #expect(!text.contains("\u{1B}"), "\(text)")
        }
    }

    @Test func erasesProgressAndOmitsItInPipes() async throws {
        try await wrap()
        for arguments in [["verify", file], ["rewrap", "--dry-run", file]] {
            let shown = try await runAtTerminal(arguments, ["NO_COLOR": "1"])
            #expect(shown.contains("\r\u{1B}[K1 of 1 (100%)"), "\(arguments): \(shown)")
            // The last line remains on the screen.
            let last = shown.split(separator: "\u{1B}[K").last
            #expect(last?.hasPrefix("1 WrappedSecret") == true, "\(shown)")
            let dumb = try await runAtTerminal(arguments, ["TERM": "dumb"])
            #expect(dumb.hasPrefix("1 WrappedSecret"), "\(dumb)")
            #expect(try await run(arguments).errors == "")
        }
    }

    /// A line that wraps could not be erased.
    @Test func cutsProgressToTheTerminalWidth() async throws {
        try await wrap()
        let shown = try await runAtTerminal(["verify", file], ["NO_COLOR": "1", "SB_TEST_COLUMNS": "8"])
        #expect(shown.contains("\r\u{1B}[K1 of 1 \r\u{1B}[K"), "\(shown)")
        #expect(shown.contains("1 WrappedSecret, 0 problems; all open"), "\(shown)")
    }

    @Test func showsTheTotalOfAClusterFromTheStart() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.applyAll((0..<230).map { "db-\($0)" }) { $0 }
            let shown = try await runAtTerminal(
                ["rewrap", "--dry-run", "-n", namespace.name],
                ["SB_WRAP_MASTER_KEY": namespace.masterKey, "KUBECONFIG": namespace.cluster.kubeconfig])
            #expect(shown.contains("\u{1B}[K0 of 230 (0%)"), "\(shown)")
            #expect(shown.contains("230 WrappedSecrets: 0 to move, 230 current"), "\(shown)")
        }
    }

    @Test func coloursTheOutputForGitsPager() async throws {
        try await wrap()
        let other = folder.path("other.yaml")
        try FileManager.default.copyItem(atPath: file, toPath: other)
        _ = try await run(["set", other, "--from-literal", "k=new", "--from-literal", "more=1"])
        let arguments = ["git-diff", "-n", "payments", file, other]
        #expect(try await !run(arguments).output.contains("\u{1B}"))
        let paged = try await run(arguments, ["GIT_PAGER_IN_USE": "true"]).output
        for line in ["\u{1B}[32m    + more\u{1B}[0m\n", "\u{1B}[33m    ~ k\u{1B}[0m\n", "\u{1B}[36m@@ -"] {
            #expect(paged.contains(line), "\(paged)")
        }
        // Neither with NO_COLOR nor for commands that git does not start.
        for (arguments, noColor) in [(arguments, "1"), (["status", file], "")] {
            let plain = try await run(arguments, ["GIT_PAGER_IN_USE": "true", "NO_COLOR": noColor]).output
            #expect(!plain.contains("\u{1B}"), "\(plain)")
        }
    }
}
