import CLI
import Testing

/// A parser quotes arguments as they are.
@Suite struct QuotedArgumentsTests {
    @Test(arguments: [
        (["-n", "a\nb"], "The value 'a\nb' is invalid for '-n'", #"The value 'a\nb' is invalid for '-n'"#),
        (["--name=a\rb"], "The value 'a\rb' is\nUsage: x", "The value 'a\\rb' is\nUsage: x"),
        (["\n"], "Unexpected argument '\n'\nUsage: x", "Unexpected argument '\\n'\nUsage: x"),
        (["a"], "Unexpected argument 'a'\nUsage: x", "Unexpected argument 'a'\nUsage: x"),
    ])
    func lineBreaksOfArgumentsAreEscapes(arguments: [String], text: String, expected: String) {
        #expect(QuotedArguments.escape(arguments, in: text) == expected)
    }
}
