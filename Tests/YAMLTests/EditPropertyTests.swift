import Cryptography
import JSON
import TestSupport
import Testing

@testable import YAML

/// An edit of any text sets exactly the intended value and keeps all others, or is rejected with an error of one line.
struct EditPropertyTests {
    /// Fuzzing inputs that once led to a text that could not be parsed or had other values. The first five bytes select
    /// the edit.
    @Test(arguments: [
        "block-header-with-cr-cr-lf", "number-right-after-a-flow-sequence",
        "digit-right-after-a-flow-sequence", "key-that-is-a-colon", "last-line-of-blanks-and-tabs",
        "quoted-sign-beside-brackets", "mixed-cr-and-crlf",
    ])
    func editsKnownTextsCorrectlyOrNotAtAll(name: String) throws {
        let input = try Vectors.bytes("edits/\(name)")
        let trial = try #require(EditTrial(Array(input.dropFirst(5))))
        let choices = try #require(EditTrial.Choices(input))
        expectCorrectOrRejected(trial.outcome(choices), "\(name)")
        // All other edits of the text.
        for operation: UInt8 in 0..<4 {
            // A number beyond the places of a text selects one of them again.
            for place in 0..<min(6, trial.placeCount) {
                for choice in EditTrial.texts.indices.map({ UInt8($0) }) {
                    let choices = EditTrial.Choices(
                        operation: operation, place: place, first: choice, second: choice | 1)
                    expectCorrectOrRejected(trial.outcome(choices), "\(name) \(choices)")
                }
            }
        }
    }

    /// The layouts have line breaks of every kind, quotes next to brackets, and adjacent values.
    @Test(arguments: [
        ("a: >\r\r\n  o 1\nb: x\n", ["b"]), ("a: >\r\r\n  o 1\nb: x\n", ["a"]),
        ("a: 'x'\rb: 'y'\r\nc: z\n", ["b"]), ("s: ['#1', b]\n", ["s", "0"]),
        ("s: ['''1']\n", ["s", "0"]), ("a: x\u{85}b: y\u{2028}c: z\n", ["b"]), ("[ \"x\"]8", ["0"]),
        ("\u{FEFF}a: x\n---\n\u{FEFF}b: y\n", ["a"]), ("s: [a: x, b]", ["s", "0", "a"]),
    ])
    func replacesScalarsInUnusualLayouts(text: String, path: [String]) throws {
        let file = SharedSecret(copying: text.utf8)
        var node: YAMLNode? = try YAMLReader.documents(in: file.bytes, source: "f")[0]
        for key in path { node = node?.elements?[Int(key) ?? 0] ?? node?[key] }
        for wanted in EditTrial.texts {
            var editor = SourceEditor(file)
            try editor.replace(try #require(node), with: wanted)
            _ = try editor.verified()
        }
    }

    @Test(arguments: [
        ("d:\r  a: 1\r  b: 2\r", "d:\r  a: 1\r  b: 2\r  c: new\r"),
        ("d:\u{2028}  a: 1\u{2028}e: 2\n", "d:\u{2028}  a: 1\u{2028}  c: new\u{2028}e: 2\n"),
        ("d:\n  a: 1\r\ne: 2\n", "d:\n  a: 1\r\n  c: new\r\ne: 2\n"),
        ("\u{FEFF}d:\n  a: 1\n", "\u{FEFF}d:\n  a: 1\n  c: new\n"),
        ("d:\n  a: 1\n   \t \n", "d:\n  a: 1\n  c: new\n   \t \n"),
        ("d: {a: ['''1']}", "d: {a: ['''1'], \"c\": \"new\"}"),
        ("d: {a: [x: 1, 2]}", "d: {a: [x: 1, 2], \"c\": \"new\"}"),
    ])
    func addsPairsToUnusualLayouts(before: String, after: String) throws {
        let file = SharedSecret(copying: before.utf8)
        let root = try YAMLReader.documents(in: file.bytes, source: "f")[0]
        var editor = SourceEditor(file)
        try editor.change(
            pairsOf: try #require(root["d"]), removing: [], appending: [("c", .string("new"))])
        #expect(text(try editor.verified().bytes).debugDescription == after.debugDescription)
    }

    /// Otherwise the line of blanks and tabs would be the indentation of a continuation of the value.
    @Test func emptiesALineOfBlanksAndTabsAfterANestedMapping() throws {
        let file = SharedSecret(copying: "d:\n  a: 1\n    \t \ne: 2\n".utf8)
        let root = try YAMLReader.documents(in: file.bytes, source: "f")[0]
        var editor = SourceEditor(file)
        try editor.change(
            pairsOf: try #require(root["d"]), removing: [], appending: [("data", .mapping([("b", "new")]))])
        #expect(text(try editor.verified().bytes) == "d:\n  a: 1\n  data:\n    b: new\n\ne: 2\n")
    }

    /// The verifier does not depend on the checks of the editor.
    @Test(arguments: [
        // A line break after a block scalar at the end of the file becomes part of it.
        ("d:\n  a: |\n    x", 2), ("d: &d\n  a: 1\ne: *d\n", 3), ("b: &b\n  a: 1\nd:\n  <<: *b\n  a: 2\n", 5),
    ])
    func rejectsEditsThatWouldChangeMore(text: String, line: Int) throws {
        let file = SharedSecret(copying: text.utf8)
        let root = try YAMLReader.documents(in: file.bytes, source: "f")[0]
        let node = try #require(root["d"])
        do throws(SourceEditError) {
            var editor = SourceEditor(file)
            if let entry = node.entries?.first, line == 3 {
                try editor.replace(
                    YAMLNode(
                        .scalar(YAMLScalar(text: scalarText("1"), style: .plain, type: .int)),
                        range: entry.value.range), with: "x")
            } else {
                try editor.change(
                    pairsOf: node, removing: line == 5 ? ["a"] : [], appending: [("c", .string("new"))])
            }
            _ = try editor.verified()
            Issue.record("the edit was accepted")
        } catch {
            #expect(error.line == line, "\(error)")
            #expect(error.problem.contains("the file was not changed; "), "\(error)")
        }
    }

    @Test(arguments: 1...6)
    func editsMutatedTextsCorrectlyOrNotAtAll(seed: UInt64) {
        var random = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15)
        var (right, refused) = (0, 0)
        for round in 0..<400 {
            guard let trial = EditTrial(Self.mutatedText(&random)) else { continue }
            for _ in 0..<3 {
                let choices = EditTrial.Choices(
                    operation: UInt8.random(in: 0...255, using: &random),
                    place: Int.random(in: 0..<500, using: &random),
                    first: UInt8.random(in: 0...255, using: &random),
                    second: UInt8.random(in: 0...255, using: &random))
                let outcome = trial.outcome(choices)
                expectCorrectOrRejected(outcome, "seed \(seed), round \(round), \(choices)")
                if outcome == .correct { right += 1 }
                if case .refused = outcome { refused += 1 }
            }
        }
        // A verifier that rejects everything would pass the checks above.
        #expect(right > refused, "seed \(seed): \(right) right, \(refused) refused")
    }

    private func scalarText(_ text: String) -> ScalarText {
        Array(text.utf8).withUnsafeBytes { ScalarText(copying: $0) }
    }

    private func expectCorrectOrRejected(_ outcome: EditTrial.Outcome, _ what: @autoclosure () -> String) {
        switch outcome {
        case .incorrect(let problem): Issue.record("\(what()): \(problem)")
        case .refused(let error):
            #expect(!error.problem.contains { $0.isNewline }, "\(what())")
            #expect(error.line >= 1)
            #expect(error.column >= 1)
        case .correct, .notApplicable: break
        }
    }

    private static let manifests = [
        """
        # The team's.
        apiVersion: secrets-bridge.io/v1alpha1
        kind: WrappedSecret
        metadata: {name: db, namespace: payments} # here
        spec:
          mac: "AAAA" # the MAC
          recipients:
          - {keyID: 'local:1', wrappedKey: 'BBBB'}
          - keyID: aws:2
            wrappedKey: |-
              CCCC
          data:
            # About it.
            a: 'old' # end
            b: >
              folded
              text

          scope: strict
        ---
        kind: ConfigMap # other
        data: {x: &x y, z: *x}
        """,
        "{\"kind\": \"List\", \"items\": [\n  {\"a\": \"x\", \"b\": [1, \"y\"]},\n  {\"a\": \"z\\u00e9\"}\n]}\n",
        "base: &base\n  a: old\n  b: &l [x, y]\nnext:\n  <<: *base\n  b: *l\n  c: [{k: v}, {k: w}]\n",
        "- a: 1\n  b: 'x'\n- [p, \"q\", r: s]\n-\n  c: y\n...\n---\n- z\n",
    ]

    private static let pieces = [
        "\n", "\r\n", "\r", "\r\r\n", "\u{85}", "\u{2028}", "\u{FEFF}", "\t", " ", "  ", "   \t\t\n", "- ",
        ": ",
        "? ", "#", " # c", "'", "\"", "[", "]", "{", "}", ",", "|\n", ">\r\r\n  ", "|+\n", ">-\n", "&x ",
        "*x",
        "!!str ", "<<: *x\n", "---\n", "...\n", "\u{FEFF}---\n", "%TAG ! !\n", "é", "😀", "a", "b: x\n",
        "'#1'",
        "['''1']", "\\", "0x10", "~", "\"a\": \"b\"",
    ]

    private static func mutatedText(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = Array((manifests.randomElement(using: &random) ?? "").utf8)
        // A suffix of the manifest, so that short texts are tested too.
        if Int.random(in: 0..<4, using: &random) == 0 {
            bytes = Array(bytes[Int.random(in: 0..<bytes.count, using: &random)...])
        }
        if Int.random(in: 0..<4, using: &random) == 0 {
            bytes = bytes.flatMap { $0 == 10 ? [13, 10] : [$0] }
        }
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 0...2, using: &random))
            bytes.replaceSubrange(place..<end, with: Array((pieces.randomElement(using: &random) ?? "").utf8))
        }
        return bytes
    }
}
