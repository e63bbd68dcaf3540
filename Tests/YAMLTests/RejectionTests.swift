import Testing

@testable import YAML

struct RejectionTests {
    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", "stdin:3:1: duplicate key, first in line 1; remove one"),
        ("{\"a\": 1,\n \"\\u0061\": 2}", "stdin:2:2: duplicate key, first in line 1; remove one"),
        ("1: x\n'1': y\n", "stdin:2:1: duplicate key, first in line 1; remove one"),
        ("~: x\n", "stdin:1:1: nothing cannot be a key; write a string, in quotes if need be"),
        ("? [a]\n: x\n", "stdin:1:3: a list cannot be a key; write a string, in quotes if need be"),
        (
            "k: *swordfish\n",
            "stdin:1:4: an alias without an anchor before it; quote values that start with *"
        ),
        ("a: &a [*a]\n", "stdin:1:8: an alias is inside its own anchor; write the value out"),
        ("a: !!int swordfish\n", "stdin:1:4: the value does not match its tag !!int; correct one of them"),
        ("<<: 5\n", "stdin:1:1: << needs a mapping or a list of mappings, found a number"),
        (
            "a: &a {k: 1}\nb:\n  k: 2\n  <<: *a\n",
            "stdin:4:3: << follows the key of line 3, which it contains too; "
                + "parsers disagree which takes precedence: put << first"
        ),
        (
            "a: swordfish: b\n",
            "stdin:1:13: not valid YAML: mapping values are not allowed in this context; "
                + "check the indentation, and quote values that contain \": \""
        ),
        (
            "a: !sword{fish\n",
            "stdin:1:10: not valid YAML: did not find expected whitespace or line break; "
                + "quote values that start with !"
        ),
        (
            "a: !sword!fish\n",
            "stdin:1:4: not valid YAML: found undefined tag handle; quote values that start with !"
        ),
        (
            "a: >swordfish\n",
            "stdin:1:5: not valid YAML: did not find expected comment or line break; "
                + "quote values that start with | or >"
        ),
        (
            "a: &%swordfish\n",
            "stdin:1:5: not valid YAML: did not find expected alphabetic or numeric character; "
                + "quote values that start with & or *"
        ),
        (
            "a:\n\tb: swordfish\n",
            "stdin:2:1: not valid YAML: found character that cannot start any token; "
                + "indent with spaces, not tabs, and quote values that start with @, % or `"
        ),
        (
            "a: \"swordfish\n",
            "stdin:2:1: not valid YAML: found unexpected end of stream; a quote or bracket is not closed"
        ),
        (
            "\u{0}\u{1}\u{2}",
            "stdin:1:1: the file is not text; give a file of YAML or JSON in UTF-8"
        ),
        (
            "{\"a\": \"swordfish\"",
            "stdin:1:18: not valid JSON: expected ',' or '}' after a value, where the file ends"
        ),
        ("{\"a\": \"\\ud83d\\ude00\",}", "stdin:1:22: not valid JSON: expected a key in double quotes"),
        ("{\"a\": \"\\ud83d\"}", "stdin:1:10: not valid JSON: half a surrogate pair"),
    ])
    func reportsProblemAndRemedyOnOneLine(text: String, message: String) {
        #expect(readError(text).map { "\($0)" } == message)
    }

    @Test func rejectsBytesThatAreNotText() {
        let cases: [([UInt8], Int)] = [
            ([0x61, 0x0A, 0x62, 0xFF], 2), ([0xFF, 0xFE, 0x61, 0], 1), ([0xC3], 1), ([0xED, 0xA0, 0x80], 1),
        ]
        for (bytes, line) in cases {
            #expect(throws: YAMLError.self) { try read(bytes) }
            do {
                _ = try read(bytes)
            } catch {
                #expect(error.code == .notText)
                #expect(error.line == line)
            }
        }
    }

    @Test func rejectsABillionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(readError(text)?.code == .badAlias)
    }

    @Test(arguments: ["[", "{a: ", "- ", "{\"a\":", "? "])
    func rejectsDeepNesting(opening: String) {
        let text = String(repeating: opening, count: 20_000)
        #expect(readError(text)?.code == .tooDeep)
    }

    @Test func acceptsNinetyLevels() throws {
        let text = String(repeating: "[", count: 90) + String(repeating: "]", count: 90)
        #expect(try read(text).count == 1)
        #expect(try read("---\n" + text).count == 1)
    }
}
