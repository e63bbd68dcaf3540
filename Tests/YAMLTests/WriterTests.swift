import Cryptography
import Foundation
import JSON
import Testing

@testable import YAML

struct WriterTests {
    /// Otherwise an editor or a terminal would show another text than the file holds.
    @Test func writesBidirectionalControlsAsEscapes() {
        let value: JSONValue = ["a": "x\u{202E}y\nz\n", "b\u{200F}": "\u{2066}"]
        #expect(
            text(YAMLWriter.write([value])) == #"""
                a: "x\u202ey\nz\n"
                "b\u200f": "\u2066"

                """#)
        #expect(text(JSONWriter.write([.string("a\u{202E}")])) == #""a\u202e"\#n"#)
    }

    @Test func laysOutAsKubectlDoes() {
        let value: JSONValue = [
            "apiVersion": "v1", "kind": "Secret",
            "metadata": ["name": "db", "labels": [:], "finalizers": ["a", "b"]],
            "data": ["password": .base64(SharedSecret(copying: Array("s3cr3t\n".utf8)))],
            "script": "one\n\n  two\n", "noEnd": "one\ntwo", "twoEnds": "one\n\n", "none": .array([]),
            "immutable": true, "count": 3, "nothing": .null,
            "list": [["a": 1, "b": [1, 2]], [["x"], []]],
        ]
        #expect(
            text(YAMLWriter.write([value, "x"])) == """
                apiVersion: v1
                kind: Secret
                metadata:
                  name: db
                  labels: {}
                  finalizers:
                  - a
                  - b
                data:
                  password: czNjcjN0Cg==
                script: |
                  one

                    two
                noEnd: |-
                  one
                  two
                twoEnds: |+
                  one

                none: []
                immutable: true
                count: 3
                nothing: null
                list:
                - a: 1
                  b:
                  - 1
                  - 2
                - - - x
                  - []
                ---
                x

                """)
    }

    @Test func writesJSON() {
        let value: JSONValue = [
            "a": ["b", 1, true, .null, ["c": .base64(SharedSecret(copying: [255]))]], "e": [:],
            "f": .array([]),
            "g": "q\"\\\n\u{1}é😀\u{2028}",
        ]
        #expect(
            text(JSONWriter.write([value])) == #"""
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

    @Test(arguments: [
        "true", "yes", "y", "Off", "null", "~", "", "1", "1e3", "012", "0x1f", "1_000", "12:30:45", ".5",
        ".inf", "-",
        "2020-01-01", " a", "a ", "a: b", "a #b", "a:", "#a", "- a", "? a", "&a", "*a", "!a", "|", ">", "'a",
        "\"a",
        "%a", "@a", "`a", "[a", "{a", "a\tb", "=", "<<", "---", "a\n ", "\na", " a\nb", "a\r\nb", "\u{FEFF}a",
        "a\u{85}b",
    ])
    func quotes(string: String) {
        #expect(text(YAMLWriter.write([["k": .string(string)]])).hasPrefix("k: \""))
    }

    @Test(arguments: [
        "a", "MTIzNDU2Nzg5MGFi", "czNjcjN0Cg==", "a b", "a:b", "/path", "http://host:80/x", "tRue", "x=y",
    ])
    func leavesPlain(string: String) {
        #expect(text(YAMLWriter.write([["k": .string(string)]])) == "k: \(string)\n")
    }

    @Test(arguments: [
        ("a \nb\n", "k: |\n  a \n  b\n"), ("a\n ", "k: |-\n  a\n   \n"),
        ("a\n\t\nb", "k: |-\n  a\n  \t\n  b\n"),
        (" a\nb\n\n", "k: |2+\n   a\n  b\n\n"), ("\na\n", "k: |2\n\n  a\n"),
        ("\ta\nb", "k: |2-\n  \ta\n  b\n"),
        ("a ", "k: \"a \"\n"), ("\n", "k: \"\\n\"\n"), ("a\r\nb", "k: \"a\\r\\nb\"\n"),
    ])
    func linesWithBlanksAreBlocksForEditing(string: String, written: String) {
        #expect(text(YAMLWriter.write([["k": .string(string)]], forEditing: true)) == written)
    }

    /// All texts of up to five of these characters, each in a nested mapping, the layout of `edit`.
    @Test func blocksForEditingAreReadUnchanged() throws {
        var texts = [""]
        var longest = texts
        for _ in 0..<5 {
            longest = longest.flatMap { text in ["a", " ", "\n", "\t", "#", "-"].map { text + $0 } }
            texts += longest
        }
        let pairs = texts.enumerated().map { (key: "k\($0)", value: JSONValue.string($1)) }
        let written = YAMLWriter.write([["m": .object(pairs)]], forEditing: true)
        let node = try #require(try YAMLReader.documents(in: written, source: "w").first)
        let entries = try #require(node["m"]?.entries)
        #expect(entries.count == texts.count)
        for (entry, expected) in zip(entries, texts) where text(entry.value) != expected {
            Issue.record("\(expected.debugDescription) is read as \(text(entry.value).debugDescription)")
        }
        guard PyYAML.isInstalled else { return }
        let json = Data(try PyYAML.loadAsJSON(text(written)).utf8)
        let loaded = try JSONSerialization.jsonObject(with: json) as? [String: [String: String]]
        for (index, expected) in texts.enumerated() where loaded?["m"]?["k\(index)"] != expected {
            Issue.record("PyYAML reads another text than \(expected.debugDescription)")
        }
    }

    @Test func longLinesAreNotFolded() {
        let secret = SharedSecret(copying: [UInt8](repeating: 65, count: 30_000))
        #expect(text(YAMLWriter.write([["k": .base64(secret)]])).split(separator: "\n").count == 1)
    }

    @Test func secretTextIsText() {
        #expect(SecretText(SharedSecret(copying: [0xFF])) == nil)
        let secret = SecretText(SharedSecret(copying: Array("yes".utf8)))
        #expect(secret.map { text(YAMLWriter.write([["k": .secret($0)]])) } == "k: \"yes\"\n")
    }

    @Test func writesNodesThatWereRead() throws {
        let node = try #require(try read("a: [0x10, 1_000.5, yes, ~, 'yes', .inf]\nb: {c: x}\n").first)
        #expect(
            text(YAMLWriter.write([JSONValue(node)]))
                == "a:\n- 16\n- 1000.5\n- true\n- null\n- \"yes\"\n- \".inf\"\nb:\n  c: x\n")
    }

    @Test func readsBackEveryStringThatIsWritten() throws {
        let strings = ConfusableStrings.all
        let document = ConfusableStrings.document(strings)
        for written in [text(YAMLWriter.write([document])), text(JSONWriter.write([document]))] {
            let node = try #require(try read(written).first)
            #expect(node["values"]?.elements?.map { text($0) } == strings)
            #expect(node["values"]?.elements?.allSatisfy { $0.scalar?.valueType == .string } == true)
            #expect(node["keys"]?.entries?.map(\.key) == strings)
            #expect(node["deep"]?.elements?.map { text($0["v"]?["w"]) } == strings)
        }
    }

    /// PyYAML is an independent reader of YAML 1.1. The strings are compared as JSON.
    @Test(.enabled(if: PyYAML.isInstalled, "needs python3 with yaml"))
    func pyYAMLReadsBackEveryStringThatIsWritten() throws {
        let strings = ConfusableStrings.all
        let json = try PyYAML.loadAsJSON(text(YAMLWriter.write([ConfusableStrings.document(strings)])))
        let node = try #require(try read(json).first)
        #expect(node["values"]?.elements?.map { text($0) } == strings)
        #expect(node["keys"]?.entries?.map(\.key) == strings)
        #expect(node["deep"]?.elements?.map { text($0["v"]?["w"]) } == strings)
    }
}
