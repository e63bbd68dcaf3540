import Testing

@testable import CLI

struct CommandSuggestionTests {
    private let suggestion = CommandSuggestion(
        program: "secrets-bridge",
        commands: [
            "wrap", "unwrap", "edit", "set", "unset", "rotate-value", "exec", "rewrap", "status", "inspect",
            "verify", "diff",
            "import", "doctor", "git-diff", "git-textconv", "controller", "version",
        ])

    @Test(arguments: [
        ("warp", ["wrap"]), ("wrpa", ["wrap"]), ("wra", ["wrap"]), ("WRAP", ["wrap"]), ("unwarp", ["unwrap"]),
        ("stat", ["status"]), ("ver", ["verify", "version"]), ("git", ["git-diff", "git-textconv"]),
        ("rotate-values", ["rotate-value"]), ("sett", ["set"]), ("unst", ["unset"]), ("exce", ["exec"]),
        ("encrypt", ["wrap"]), ("unseal", ["unwrap"]), ("ls", ["status"]),
        ("rotate", ["rewrap", "rotate-value"]),
    ])
    func findsWhatWasMeant(word: String, expected: [String]) {
        #expect(suggestion.suggestions(for: word) == expected)
    }

    @Test(arguments: ["frobnicate", "", "x", "é", "secret.yaml", "-"])
    func guessesNothingElse(word: String) {
        #expect(suggestion.suggestions(for: word) == [])
    }

    @Test func aMessageIsOneLine() {
        let message = suggestion.message(for: "wrap\n\u{1B}[2J")
        #expect(!message.contains("\n") && !message.contains("\u{1B}"))
    }

    @Test func aLongWordIsNoWork() {
        #expect(suggestion.suggestions(for: String(repeating: "wrap", count: 100_000)) == [])
    }
}
