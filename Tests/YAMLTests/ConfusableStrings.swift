import JSON

@testable import YAML

enum ConfusableStrings {
    /// Some 800 different strings that YAML parsers misread easily.
    static let all: [String] = {
        let words = [
            "", "true", "True", "yes", "Yes", "y", "N", "on", "off", "null", "Null", "~", "nan", ".nan",
            ".inf", "-.Inf",
            "1", "-1", "+1", "0", "012", "0o12", "0x1F", "0b1", "1e3", "1.5", "1.", ".5", "1_000", "12:30",
            "12:30:45",
            "2020-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<<", "-", "--", "---", "...", "?", ":", "::",
            "a:", ":a",
            "a: b", "a:b", "a #b", "a#b", "#", "# a", "&a", "*a", "!a", "!!str a", "|", "|-", ">", "%TAG",
            "@a", "`a",
            "'", "''", "'a'", "\"", "\"a\"", "[", "]", "[a]", "{", "}", "{a: b}", ",", "a, b", "\\", "\\n",
            "a\\b",
            "- a", "? a", "a\tb", "\t", "é", "😀", "日本", "\u{85}", "\u{A0}", "\u{2028}", "\u{2029}",
            "\u{FEFF}", "\u{7F}",
            "\u{1}", "\u{1B}", "\u{9F}", "\u{FFFD}", "\u{E000}", "\u{10FFFF}", "http://a/b?c=d&e#f", "a=b",
            "$(x)", "${x}", "\u{202E}a", "a\u{2066}b", "\u{200F}", "\u{61C}",
        ]
        var strings = words
        for word in words {
            strings += [
                " " + word, word + " ", word + "\n", word + "\n\n", "\n" + word, "a\n" + word, word + "\nb",
            ]
            strings += ["a\n  " + word + "\nb\n", "a\n\n" + word, word + "\r\n", word + "\r", "a \n" + word]
        }
        var generator = SeededGenerator(state: 7)
        let alphabet: [Character] = Array("ab1:-# \n\t'\"\\{}[],&*!|>%@`?=~.é")
        for _ in 0..<400 {
            let count = Int.random(in: 1...12, using: &generator)
            strings.append(String((0..<count).map { _ in alphabet.randomElement(using: &generator) ?? "a" }))
        }
        strings.append(String(repeating: "long", count: 60))
        strings.append(String(repeating: "a b: ", count: 300))
        // By bytes: for `String`, two spellings of one letter are equal.
        var seen: Set<[UInt8]> = []
        return strings.filter { seen.insert(Array($0.utf8)).inserted }
    }()

    static func document(_ strings: [String]) -> JSONValue {
        [
            "values": .array(strings.map { .string($0) }),
            "keys": .object(strings.map { (key: $0, value: .string("v")) }),
            "deep": .array(strings.map { ["u": 1, "v": ["w": .string($0)]] }),
        ]
    }
}
