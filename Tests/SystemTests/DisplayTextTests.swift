import Testing

@testable import System

struct DisplayTextTests {
    /// C0, DEL, C1, separators, bidirectional controls, zero-width and format characters, tags, fillers.
    static let invisible: [UInt32] =
        [
            0x00, 0x08, 0x1B, 0x7F, 0x80, 0x85, 0x9B, 0x9F, 0xAD, 0x34F, 0x61C, 0x115F, 0x180E, 0x2028,
            0x2029, 0xFEFF,
        ]
        + [0x3164, 0xFE0F, 0xFFA0, 0xFFF9, 0xE0001, 0xE0041] + Array(0x200B...0x200F) + Array(0x202A...0x202E)
        + Array(0x2060...0x2069)

    @Test(arguments: invisible) func escapesInvisibleCharacters(value: UInt32) throws {
        let scalar = try #require(Unicode.Scalar(value))
        let text = "a\(scalar)b"
        #expect(text.escapingInvisibleCharacters == "a\(scalar.escaped(asASCII: true))b")
    }

    @Test(arguments: ["plain", "é ü ß", "日本語", "שלום", "e\u{301}", "🔑", "a\\b\"c"])
    func keepsVisibleCharacters(text: String) {
        #expect(text.escapingInvisibleCharacters == text)
    }

    @Test func escapesLineBreaksAndTabs() {
        let text = "a\n\t\r\u{202E}b"
        #expect(text.escapingInvisibleCharacters == #"a\n\t\r\u{202E}b"#)
    }

    @Test(arguments: [
        ("abc", 3, "abc"), ("abc", 2, "ab"), ("abc", 0, ""), ("aé", 2, "a"), ("aé", 3, "aé"), ("😀", 3, ""),
        ("", 5, ""),
    ])
    func endsBetweenTwoScalars(text: String, count: Int, expected: String) {
        #expect(text.truncated(toUTF8: count) == expected)
    }

    @Test(arguments: [
        ([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (["a\nb"], #"a\nb"#),
    ])
    func listsNames(names: [String], expected: String) {
        #expect(names.listed(limit: 3) == expected)
    }

    @Test func aListOfManyLongNamesIsShort() {
        let names = Array(repeating: String(repeating: "x", count: 100_000), count: 1_000)
        #expect(names.listed().utf8.count < 5_000)
        #expect(names.listed(bytes: 100).utf8.count < 1_000)
        #expect(names.listed().hasSuffix(" and 992 more"))
    }

    /// One Character of 200,000 bytes.
    @Test func truncatesCombiningMarks() {
        let text = "a" + String(repeating: "\u{301}", count: 100_000)
        #expect(text.truncated(toUTF8: 256).utf8.count <= 256)
    }
}
