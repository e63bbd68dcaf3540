import CLI
import Testing

/// A value in place of an option, a name or a file.
@Suite struct MisplacedArgumentsTests {
    private static let usage =
        "\nUsage: secrets-bridge set <file>\n  See 'secrets-bridge set --help' for more information."
    private static let pem = "-----BEGIN PRIVATE KEY-----\nS3cret'\n-----END PRIVATE KEY-----"

    private static let cases: [(arguments: [String], message: String, expected: String)] = [
        (
            ["set", "db.yaml", "tls.key", pem], "Invalid option: \(pem)",
            "Invalid option in place 4 (not shown: it may be a value)"
        ),
        (
            ["set", "db.yaml", "-\u{E9}S3cret"], "Invalid option: -\u{E9}",
            "Invalid option in place 3 (not shown: it may be a value)"
        ),
        (
            ["set", "db.yaml", "password", "-S3cret"], "Unknown option '-S3cret'",
            "Unknown option in place 4 (not shown: it may be a value)"
        ),
        (
            ["set", "-S3cret"], "Unknown option '-S'",
            "Unknown option in place 2 (not shown: it may be a value)"
        ),
        (
            ["set", "-secret"], "Unknown option '-secret'",
            "Unknown option in place 2 (not shown: it may be a value)"
        ),
        (
            ["set", "--S3cret=x"], "Unknown option '--S3cret'",
            "Unknown option in place 2 (not shown: it may be a value)"
        ),
        (
            ["set", "-oS3cret"],
            "Unknown option '-oS3cret'\n   or: Missing value for '-o <format>' in '-oS3cret'",
            "Unknown option in place 2 (not shown: it may be a value)\n   or: Missing value for '-o <format>' in it"
        ),
        (
            ["set", "--Output"], "Unknown option '--Output'. Did you mean '--output'?",
            "Unknown option in place 2 (not shown: it may be a value). Did you mean '--output'?"
        ),
        (["set", "--ouput"], "Unknown option '--ouput'. Did you mean '--output'?", ""),
        (["set", "--from-pem=S3cret"], "Unknown option '--from-pem'", ""),
        (["set", "-x"], "Unknown option '-x'", ""),
        (
            ["edit", "f.yaml", "password=S3cret"], "Unexpected argument 'password=S3cret'",
            "Unexpected argument in place 3 (not shown: it may be a value)"
        ),
        (
            ["edit", "horse", "horse"], "Unexpected argument 'horse'",
            "Unexpected argument in place 3 (not shown: it may be a value)"
        ),
        (
            ["edit", "f.yaml", "horse", "-n", "x", "it's\na", "horse"],
            "3 unexpected arguments: 'horse', 'it's\na', 'horse'",
            "3 unexpected arguments in places 3, 6 and 7 (not shown: they may be values)"
        ),
        (
            ["set", "f.yaml", "--all=S3cret"],
            "The option '--all' does not take any value, but 'S3cret' was specified.",
            "The option '--all' does not take any value, but has one in place 3 (not shown: it may be a value)"
        ),
        (
            ["set", "-o", "S3cret"],
            "The value 'S3cret' is invalid for '-o <format>'. Please provide one of 'a'.", ""
        ),
        (["set"], "Missing expected argument '<file>'", ""),
    ]

    @Test(arguments: cases)
    func showsThePlaceOfAnArgumentThatMayBeAValue(arguments: [String], message: String, expected: String) {
        let expected = expected.isEmpty ? message : expected
        for (prefix, usage) in [("Error: ", Self.usage), ("", Self.usage), ("", "")] {
            let text = MisplacedArguments.redact(arguments, in: prefix + message + usage)
            #expect(text == prefix + expected + usage)
        }
    }

    /// What cannot be attributed to an argument is left out.
    @Test(arguments: [
        ("Invalid option: S3cret", "Invalid option (not shown: it may be a value)"),
        ("Unknown option 'S3cret'", "Unknown option (not shown: it may be a value)"),
        ("Unexpected argument 'S3cret'", "Unexpected argument (not shown: it may be a value)"),
        ("2 unexpected arguments: 'S3cret', 'a'", "2 unexpected arguments (not shown: they may be values)"),
    ])
    func leavesOutWhatIsNoArgument(message: String, expected: String) {
        #expect(MisplacedArguments.redact(["a", "b"], in: message) == expected)
    }

    /// The usage after the message cannot be told from that of an argument.
    @Test(arguments: ["", usage]) func leavesOutTheUsageIfAnArgumentHasOne(usage: String) {
        let value = "S3cret\nUsage: S3cret"
        #expect(
            MisplacedArguments.redact(["edit", "f", value], in: "Unexpected argument '\(value)'\(usage)")
                == "Unexpected argument\(usage.isEmpty ? " in place 3" : "") (not shown: it may be a value)")
    }

    @Test func findsThePlaceOfAPath() {
        let arguments = ["wrap", "--from-file", "password=hunter2", "--tls-key=k", "hunter2"]
        #expect(MisplacedArguments.place(of: "hunter2", in: arguments) == 5)
        #expect(MisplacedArguments.place(of: "hunter2", in: arguments.dropLast()) == 3)
        #expect(MisplacedArguments.place(of: "k", in: arguments) == 4)
        #expect(MisplacedArguments.place(of: "other", in: arguments) == nil)
    }
}
