import Testing

@testable import CLI

/// Completes in the format that kubectl reads: `https://github.com/spf13/cobra`, `__complete`.
struct PluginCompletionTests {
    private static let help = """
        {"serializationVersion": 0, "command": {
          "commandName": "secrets-bridge", "shouldDisplay": true,
          "arguments": [\(flag("help", short: "h"))],
          "subcommands": [
            {"commandName": "status", "abstract": "Show.", "shouldDisplay": true, "arguments": [
              {"kind": "positional", "valueName": "paths", "isOptional": true, "isRepeating": true,
               "shouldDisplay": true, "completionKind": {"file": {"extensions": ["yaml", "json"]}}},
              \(option("output", short: "o", #", "completionKind": {"list": {"values": ["json", "yaml"]}}"#)),
              \(option("kubeconfig", #", "completionKind": {"file": {"extensions": []}}"#)),
              \(option("context", #", "completionKind": {"custom": {}}"#)),
              \(option("folder", #", "completionKind": {"directory": {}}"#)),
              \(option("namespace", short: "n")), \(option("only", isRepeating: true)),
              \(option("hidden", isDisplayed: false)), \(flag("by-key"))]},
            {"commandName": "set", "abstract": "Set values.", "shouldDisplay": true, "arguments": [
              {"kind": "positional", "valueName": "file", "isOptional": false, "isRepeating": false,
               "shouldDisplay": true, "completionKind": {"file": {"extensions": ["yaml"]}}}]},
            {"commandName": "help", "shouldDisplay": true, "arguments": [
              {"kind": "positional", "valueName": "subcommands", "isOptional": true, "isRepeating": true,
               "shouldDisplay": true}]}]}}
        """

    private static func flag(_ name: String, short: String? = nil) -> String {
        argument("flag", name, short, false, true, "")
    }

    private static func option(
        _ name: String, short: String? = nil, isRepeating: Bool = false, isDisplayed: Bool = true,
        _ more: String = ""
    ) -> String {
        argument("option", name, short, isRepeating, isDisplayed, more)
    }

    private static func argument(
        _ kind: String, _ name: String, _ short: String?, _ isRepeating: Bool, _ isDisplayed: Bool,
        _ more: String
    ) -> String {
        let shortName = short.map { #"{"kind": "short", "name": "\#($0)"}, "# } ?? ""
        return """
            {"kind": "\(kind)", "names": [\(shortName){"kind": "long", "name": "\(name)"}], "isOptional": true,
             "isRepeating": \(isRepeating), "shouldDisplay": \(isDisplayed), "valueName": "\(name)"\(more)}
            """
    }

    private func answer(_ words: String...) throws -> String {
        try PluginCompletion(help: Self.help) { _ in ["dev", "prod"] }.output(words)
    }

    @Test(arguments: [
        (["set", "db.yaml", "--from-lit", "a=b"], "--from-lit"), (["status", "--folde=x"], "--folde"),
        (["status", "--folder", "--x", "-z"], nil), (["status", "--by-key", "--", "--x"], nil),
        (["set", "--help", "--version"], nil), (["status", "--folder", "x"], nil),
        (["status", "--only", "--", "--x"], nil), (["status", "--only", "--y", "--", "--x"], nil),
    ])
    func findsAnUnknownOption(words: [String], option: String?) throws {
        #expect(try PluginCompletion(help: Self.help) { _ in [] }.unknownOption(in: words) == option)
    }

    @Test func completesCommandsWithTheirDescriptions() throws {
        #expect(try answer("") == "status\tShow.\nset\tSet values.\nhelp\n:4\n")
        #expect(try answer("st") == "status\tShow.\n:4\n")
        #expect(try answer("help", "s") == "status\tShow.\nset\tSet values.\n:4\n")
        #expect(try answer() == (try answer("")))
    }

    @Test func completesOptionsOfTheCommandOnce() throws {
        #expect(try answer("status", "--o") == "--output\n--only\n:4\n")
        #expect(try answer("status", "-o", "json", "--on", "--o") == "--only\n:4\n")
        #expect(try answer("status", "--output=json", "--only", "x", "--o") == "--only\n:4\n")
        #expect(try answer("status", "--h") == ":4\n")
        #expect(try answer("--h") == "--help\n:4\n")
    }

    @Test(arguments: [["-o", ""], ["--output", ""], ["--output="], ["a.yaml", "--by-key", "-o", ""]])
    func completesTheValuesOfAnOption(words: [String]) throws {
        let completion = try PluginCompletion(help: Self.help) { _ in [] }
        #expect(completion.output(["status"] + words) == "json\nyaml\n:4\n")
    }

    @Test func completesValuesWithAPrefix() throws {
        #expect(try answer("status", "--output", "j") == "json\n:4\n")
        #expect(try answer("status", "--context", "p") == "prod\n:4\n")
        #expect(try answer("status", "--namespace", "") == ":4\n")
        // A value may look like an option or a command.
        #expect(try answer("status", "-n", "--output", "-n") == ":4\n")
        #expect(try answer("status", "--only", "set", "--outp") == "--output\n:4\n")
    }

    @Test func leavesFilesToTheShell() throws {
        #expect(try answer("status", "") == "yaml\njson\n:8\n")
        #expect(try answer("status", "a.yaml", "clus") == "yaml\njson\n:8\n")
        #expect(try answer("status", "--kubeconfig", "") == ":0\n")
        #expect(try answer("status", "--folder", "") == ":16\n")
        #expect(try answer("set", "a.yaml", "") == ":4\n")
        #expect(try answer("set", "a.yaml", "--", "") == ":0\n")
        #expect(try answer("set", "-", "") == ":4\n")
    }
}

struct CommandSuggestionTests {
    private let suggestion = CommandSuggestion(
        program: "secrets-bridge",
        commands: [
            "wrap", "unwrap", "edit", "set", "unset", "rotate-value", "exec", "rewrap", "status", "inspect",
            "verify", "diff",
            "import", "doctor", "git-diff", "git-textconv", "git-merge", "git-setup", "controller", "version",
        ])

    @Test(arguments: [
        ("warp", ["wrap"]), ("wrpa", ["wrap"]), ("wra", ["wrap"]), ("WRAP", ["wrap"]), ("unwarp", ["unwrap"]),
        ("stat", ["status"]), ("ver", ["verify", "version"]),
        ("git", ["git-diff", "git-textconv", "git-merge", "git-setup"]),
        ("rotate-values", ["rotate-value"]), ("sett", ["set"]), ("unst", ["unset"]), ("exce", ["exec"]),
        ("encrypt", ["wrap"]), ("unseal", ["unwrap"]), ("ls", ["status"]),
        ("rotate", ["rewrap", "rotate-value"]),
    ])
    func suggestsSimilarCommandsAndSynonyms(word: String, expected: [String]) {
        #expect(suggestion.suggestions(for: word) == expected)
    }

    @Test(arguments: ["frobnicate", "", "x", "é", "secret.yaml", "-"])
    func suggestsNothingForADissimilarWord(word: String) {
        #expect(suggestion.suggestions(for: word) == [])
    }

    @Test func formatsAMessageInOneLine() {
        let message = suggestion.message(for: "wrap\n\u{1B}[2J")
        #expect(!message.contains("\n"))
        #expect(!message.contains("\u{1B}"))
    }

    @Test func doesNotQuoteAValueInPlaceOfACommand() {
        let message = suggestion.message(for: "password=\(canary)")
        #expect(message == "the first argument is not a command; secrets-bridge --help lists them")
        #expect(suggestion.message(for: "frobnicate").hasPrefix(#""frobnicate" is not a command; "#))
        #expect(suggestion.message(for: "db.yaml").hasPrefix(#""db.yaml" is not a command; "#))
    }

    @Test func handlesALongWord() {
        #expect(suggestion.suggestions(for: String(repeating: "wrap", count: 100_000)) == [])
    }
}
