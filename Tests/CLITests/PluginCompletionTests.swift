import Testing

@testable import CLI

/// Answers of the kind that kubectl reads: `https://github.com/spf13/cobra`, `__complete`.
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

    @Test func commandsComeWithWhatTheyMean() throws {
        #expect(try answer("") == "status\tShow.\nset\tSet values.\nhelp\n:4\n")
        #expect(try answer("st") == "status\tShow.\n:4\n")
        #expect(try answer("help", "s") == "status\tShow.\nset\tSet values.\n:4\n")
        #expect(try answer() == (try answer("")))
    }

    @Test func optionsAreOfTheCommandAndEachOnce() throws {
        #expect(try answer("status", "--o") == "--output\n--only\n:4\n")
        #expect(try answer("status", "-o", "json", "--on", "--o") == "--only\n:4\n")
        #expect(try answer("status", "--output=json", "--only", "x", "--o") == "--only\n:4\n")
        #expect(try answer("status", "--h") == ":4\n")
        #expect(try answer("--h") == "--help\n:4\n")
    }

    @Test(arguments: [["-o", ""], ["--output", ""], ["--output="], ["a.yaml", "--by-key", "-o", ""]])
    func valuesOfAnOption(words: [String]) throws {
        let completion = try PluginCompletion(help: Self.help) { _ in [] }
        #expect(completion.output(["status"] + words) == "json\nyaml\n:4\n")
    }

    @Test func valuesThatBeginSo() throws {
        #expect(try answer("status", "--output", "j") == "json\n:4\n")
        #expect(try answer("status", "--context", "p") == "prod\n:4\n")
        #expect(try answer("status", "--namespace", "") == ":4\n")
        // A value that looks like an option, or like a command, is a value.
        #expect(try answer("status", "-n", "--output", "-n") == ":4\n")
        #expect(try answer("status", "--only", "set", "--outp") == "--output\n:4\n")
    }

    @Test func filesAreTheShells() throws {
        #expect(try answer("status", "") == "yaml\njson\n:8\n")
        #expect(try answer("status", "a.yaml", "clus") == "yaml\njson\n:8\n")
        #expect(try answer("status", "--kubeconfig", "") == ":0\n")
        #expect(try answer("status", "--folder", "") == ":16\n")
        #expect(try answer("set", "a.yaml", "") == ":4\n")
        #expect(try answer("set", "a.yaml", "--", "") == ":0\n")
        #expect(try answer("set", "-", "") == ":4\n")
    }
}
