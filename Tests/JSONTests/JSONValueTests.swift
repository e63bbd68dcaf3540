import Cryptography
import Foundation
import TestSupport
import Testing

@testable import JSON

struct JSONValueTests {
    private func parse(_ text: String, _ limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: SecretBytes(copying: text.utf8), limits: limits)
    }

    private func problem(_ text: String, _ limits: JSONLimits = JSONLimits()) -> JSONError.Problem? {
        do throws(JSONError) {
            _ = try parse(text, limits)
            return nil
        } catch {
            return error.problem
        }
    }

    private func written(_ value: JSONValue) -> String {
        JSONWriter.write([value]).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test func readsEveryTypeOfValue() throws {
        let value = try parse(
            #" {"s": "a\u00e9\n", "i": -7, "f": 1.50, "b": true, "n": null, "l": ["x", [], {}], "o": {"k": 1}} "#
        )
        #expect(value.members?.map(\.key) == ["s", "i", "f", "b", "n", "l", "o"])
        #expect(value["s"]?.string == "aé\n")
        #expect(value["s"]?.secret?.count == 4)
        #expect(value["i"]?.int == -7)
        #expect(value["i"]?.double == -7)
        #expect(value["f"]?.double == 1.5)
        #expect(value["f"]?.int == nil)
        #expect(value["b"]?.bool == true)
        #expect(value["n"]?.isNull == true)
        #expect(value["l"]?.elements?.count == 3)
        #expect(value["o"]?["k"]?.int == 1)
        #expect(value["none"] == nil)
        #expect(value["s"]?["none"] == nil)
    }

    @Test(arguments: ["9223372036854775808", "1e400", "-0.0"])
    func keepsNumbersThatAreNotAnInt(text: String) throws {
        #expect(try parse(text).int == nil)
        #expect(written(try parse(text)) == text + "\n")
    }

    @Test func infinityIsNotADouble() throws { #expect(try parse("1e400").double == nil) }

    @Test func ignoresAByteOrderMarkBeforeTheDocument() throws {
        #expect(try parse("\u{FEFF}{\"a\": 1}")["a"]?.int == 1)
        #expect(problem("{\"a\": \u{FEFF}1}") == .syntax)
    }

    /// Several documents, and everything that is YAML and not JSON.
    @Test(arguments: [
        "", " ", "{} {}", "{}\n---\n{}", "---\n{}", "a: b", "- a", "{a: 1}", "{'a': 1}", "[a]", "[1,]",
        "# c\n{}",
        "{\"a\": 1} # c", "&a [*a]", "[*a]", "!!str \"a\"", "{\"a\": yes}", "{\"a\": 0x10}", "[01]", "~",
        "{\"a\" 1}",
    ])
    func rejectsWhatIsNotOneJSONDocument(text: String) { #expect(problem(text) == .syntax) }

    @Test func rejectsTwoMembersOfOneName() {
        #expect(problem(#"{"a": 1, "b": 2, "\u0061": 3}"#) == .duplicateKey)
        #expect(problem(#"[{"a": 1}, {"a": 1}]"#) == nil)
    }

    @Test(arguments: [#""\ud800""#, #"{"\ud800": 1}"#, "\"a\nb\"", #""\x""#])
    func rejectsStringsThatAreNotText(text: String) { #expect(problem(text) == .invalidString) }

    @Test func rejectsBytesThatAreNotUTF8() {
        #expect(throws: JSONError(.invalidString, offset: 1)) {
            try JSONValue(parsing: SecretBytes(copying: [0x5B, 0x22, 0xFF, 0x22, 0x5D]))
        }
    }

    @Test func limitsTheDepth() {
        func nested(_ depth: Int) -> String {
            String(repeating: #"[{"k":"#, count: depth / 2) + "0" + String(repeating: "}]", count: depth / 2)
        }
        #expect(problem(nested(100)) == nil)
        #expect(problem(nested(102)) == .limitExceeded)
        #expect(problem(String(repeating: "[", count: 1_000_000)) == .limitExceeded)
    }

    @Test func limitsTheNumberOfValuesAndBytes() {
        var limits = JSONLimits()
        limits.maximumValues = 4
        #expect(problem("[1,2,3]", limits) == nil)
        #expect(problem("[1,2,3,4]", limits) == .limitExceeded)
        limits = JSONLimits()
        limits.maximumBytes = 7
        #expect(problem("[1,2,3]", limits) == nil)
        #expect(problem("[1,2,3] ", limits) == .limitExceeded)
    }

    @Test(arguments: [
        #"{"swordfish": tru}"#, #"{"a": "swordfish""#, #"{"swordfish": "\x"}"#,
        #"{"swordfish": 1, "swordfish": 2}"#,
        #"{"swordfish": [[["#,
    ])
    func errorsQuoteNothingOfTheDocument(text: String) {
        var limits = JSONLimits()
        limits.maximumDepth = 2
        do throws(JSONError) {
            _ = try parse(text, limits)
            Issue.record("\(text) was read")
        } catch {
            #expect(!"\(error)".contains("swordfish"))
            #expect(error.path.isEmpty)
        }
    }

    @Test func theErrorHasTheOffsetInTheDocument() {
        #expect(throws: JSONError(.syntax, offset: 9)) { try parse("\u{FEFF}[1, 2 3]") }
    }

    // MARK: writing

    @Test func writesIndentedJSON() {
        let value: JSONValue = [
            "a": ["b", 1, true, .null, ["c": .base64(SharedSecret(copying: [255]))]], "e": [:],
            "f": .array([]),
            "g": "q\"\\\n\u{1}é😀\u{2028}",
        ]
        #expect(
            written(value) == #"""
                {
                  "a": [
                    "b",
                    1,
                    true,
                    null,
                    {
                      "c": "/w=="
                    }
                  ],
                  "e": {},
                  "f": [],
                  "g": "q\"\\\n\u0001é😀\u2028"
                }

                """#)
    }

    @Test func writesBidirectionalControlsAsEscapes() {
        #expect(written(.string("a\u{202E}")) == #""a\u202e"\#n"#)
    }

    @Test func bytesThatAreNotUTF8AreNotSecretText() {
        #expect(SecretText(SharedSecret(copying: [0xFF])) == nil)
        #expect(SecretText(SharedSecret(copying: Array("é".utf8))) != nil)
    }

    @Test func foundationReadsWhatIsWrittenAndBothReadItAgain() throws {
        let texts =
            (0..<0x250).compactMap { Unicode.Scalar($0).map { "a\($0)" } } + ["😀", "\u{10FFFF}", "\u{E000}"]
        let json = written(.array(texts.map { .string($0) }))
        #expect(try JSONDecoder().decode([String].self, from: Data(json.utf8)) == texts)
        let again = try parse(json)
        #expect(again.elements?.map(\.string) == texts)
        #expect(written(again) == json)
    }

    /// C0, DEL, C1, separators, bidirectional controls, zero-width and format characters, tags, fillers.
    @Test(
        arguments: [0x00, 0x1B, 0x7F, 0x85, 0xAD, 0x61C, 0x2028, 0x200B, 0x202E, 0xFEFF, 0xE0041] as [UInt32])
    func quotedTextHasInvisibleCharactersAsEscapes(value: UInt32) throws {
        let scalar = try #require(Unicode.Scalar(value))
        let text = "a\(scalar)\"\\\r😀"
        #expect(!text.jsonQuoted.unicodeScalars.contains(scalar))
        #expect(try JSONDecoder().decode(String.self, from: Data(text.jsonQuoted.utf8)) == text)
    }
}
