import Cryptography
import JSON
import Testing

@testable import YAML

/// Edits change what they name and not one byte more.
struct SourceEditorTests {
    private func edit(
        _ text: String, _ body: (YAMLNode, inout SourceEditor) throws -> Void
    ) throws -> String {
        let file = SharedSecret(copying: Array(text.utf8))
        let nodes = try YAMLReader.documents(in: file.bytes, source: "f")
        var editor = SourceEditor(file)
        try body(nodes[0], &editor)
        return try editor.verified().bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        ("a: old # why\nb: 1\n", "a: vault:v2:Zm8= # why\nb: 1\n"),
        ("a: 'old'\r\nb: 1\r\n", "a: 'vault:v2:Zm8='\r\nb: 1\r\n"),
        ("{\"a\": \"old\", \"b\": 1}", "{\"a\": \"vault:v2:Zm8=\", \"b\": 1}"),
        ("a: |-\n  old\nb: 1\n", "a: vault:v2:Zm8=\nb: 1\n"),
        ("a: >\r\n  old\r\n  line\r\nb: 1", "a: vault:v2:Zm8=\r\nb: 1"),
        ("# é\n{a: old, b: é}", "# é\n{a: vault:v2:Zm8=, b: é}"),
        ("a: \"old \\\n  folded\"\n", "a: \"vault:v2:Zm8=\"\n"),
        ("\u{FEFF}a: old", "\u{FEFF}a: vault:v2:Zm8="),
    ])
    func replacesAScalar(before: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.replace(try #require(node["a"]), with: "vault:v2:Zm8=")
        }
        #expect(result == after)
    }

    @Test func quotesTextsThatYAMLReadsAsOtherValues() throws {
        let result = try edit("a: old\n") { node, editor in
            try editor.replace(try #require(node["a"]), with: "12e4")
        }
        #expect(result == "a: \"12e4\"\n")
    }

    @Test(arguments: [
        "a: &x old\nb: *x\n", "b: &x old\na: *x\n", "a: !!str old\n", "a: [old]\n",
    ])
    func rejectsNodesWithAnchorsOrTags(text: String) {
        #expect(throws: SourceEditError.self) {
            try edit(text) { node, editor in
                try editor.replace(try #require(node["a"]), with: "new")
            }
        }
    }

    private let block = """
        s: # list
          # first
          - k: a # one
            w: A
          # second
          - w: B
            k: b   # two

          # end
        t: 1

        """

    @Test func removesElementsWithTheirLinesAndKeepsComments() throws {
        let result = try edit(block) { node, editor in
            try editor.change(try #require(node["s"]), removing: [0], appending: [])
        }
        #expect(
            result == """
                s: # list
                  # first
                  # second
                  - w: B
                    k: b   # two

                  # end
                t: 1

                """)
    }

    @Test func appendsElements() throws {
        for text in [block, block.replacing("\n", with: "\r\n")] {
            let result = try edit(text) { node, editor in
                try editor.change(
                    try #require(node["s"]), removing: [1], appending: [[("k", "c"), ("w", "9=")]])
            }
            let lineBreak = text.utf8.contains(13) ? "\r\n" : "\n"
            #expect(
                result
                    == """
                    s: # list
                      # first
                      - k: a # one
                        w: A
                      # second
                      - k: c
                        w: "9="

                      # end
                    t: 1

                    """.replacing("\n", with: lineBreak))
        }
    }

    @Test(arguments: [
        ("s:\n- k: a\n  w: A", "s:\n- k: a\n  w: A\n- k: c\n  w: C"),
        ("s:\n- {k: a, w: A}\n", "s:\n- {k: a, w: A}\n- k: c\n  w: C\n"),
        ("s: [{k: a, w: A}] # x\n", "s: [{k: a, w: A}, {\"k\": \"c\", \"w\": \"C\"}] # x\n"),
        (
            "{\"s\": [\n  {\"k\": \"a\"}\n]}",
            "{\"s\": [\n  {\"k\": \"a\"},\n  {\"k\": \"c\", \"w\": \"C\"}\n]}"
        ),
        ("s:\n- k: |\n    a\nt: 1\n", "s:\n- k: |\n    a\n- k: c\n  w: C\nt: 1\n"),
    ])
    func appendsElementsInTheStyleOfTheSequence(before: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.change(try #require(node["s"]), removing: [], appending: [[("k", "c"), ("w", "C")]])
        }
        #expect(result == after)
    }

    @Test(arguments: [
        ([0], "s: [b,  c]"), ([1], "s: [a,  c]"), ([2], "s: [a, b]"), ([0, 1], "s: [c]"),
    ])
    func removesElementsOfAFlowSequence(removed: [Int], after: String) throws {
        let result = try edit("s: [a, b,  c]") { node, editor in
            try editor.change(try #require(node["s"]), removing: Set(removed), appending: [])
        }
        #expect(result == after)
    }

    /// The comment could be removed with the wrong element, or kept next to one.
    @Test(arguments: [
        "s: [ # x\n  a, b]", "s: [a, # x\n  b]", "s: [a # x\n  , b]", "s: [a, b # x\n]", "s: [a, b, # x\n]",
    ])
    func rejectsAFlowSequenceWithComments(text: String) {
        for (removed, added) in [(Set([0]), []), (Set([1]), []), (Set(), [[("k", "c")]])] {
            #expect(throws: SourceEditError.self) {
                try edit(text) { node, editor in
                    try editor.change(try #require(node["s"]), removing: removed, appending: added)
                }
            }
        }
    }

    @Test(arguments: ["d: {a: 1, # x\n  b: 2}", "d: {a: 1, b: 2 # x\n}", "d: {\n  # x\n  a: 1, b: 2}"])
    func rejectsAFlowMappingWithComments(text: String) {
        for (removed, added) in [
            (Set(["a"]), []), (Set(["b"]), []), (Set(), [("c", SourceEditor.NewValue.string("3"))]),
        ] {
            #expect(throws: SourceEditError.self) {
                try edit(text) { node, editor in
                    try editor.change(pairsOf: try #require(node["d"]), removing: removed, appending: added)
                }
            }
        }
    }

    /// A sign that begins no comment.
    @Test func aNumberSignInAValueIsNotAComment() throws {
        let result = try edit("s: ['#1', b]") { node, editor in
            try editor.change(try #require(node["s"]), removing: [1], appending: [])
        }
        #expect(result == "s: ['#1']")
    }

    @Test func rejectsUnusualLayouts() {
        for text in ["s:\n-\n  k: a\n", "s: &x\n- k: a\n", "s:\n- &x\n  k: a\nt: *x\n"] {
            #expect(throws: SourceEditError.self, "\(text)") {
                try edit(text) { node, editor in
                    try editor.change(
                        try #require(node["s"]), removing: [], appending: [[("k", "c"), ("w", "C")]])
                    try editor.change(try #require(node["s"]), removing: [0], appending: [])
                }
            }
        }
    }

    @Test(arguments: [
        ("d:\n  a: old # x\n\nz: 1", "c", "d:\n  a: old # x\n  c: new\n\nz: 1"),
        ("d:\r\n  a: old", "c", "d:\r\n  a: old\r\n  c: new"),
        ("d: {a: old}\n", "c", "d: {a: old, \"c\": \"new\"}\n"),
        ("{\"d\":{\n\t\"a\":\"old\"}}", "c", "{\"d\":{\n\t\"a\":\"old\",\n\t\"c\": \"new\"}}"),
    ])
    func addsPairs(before: String, key: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.change(
                pairsOf: try #require(node["d"]), removing: [], appending: [(key, .string("new"))])
        }
        #expect(result == after)
    }

    @Test(arguments: [
        ("d:\n  a: 1 # x\n  # y\n  b: |\n    text\n  c: 3\n", "b", "d:\n  a: 1 # x\n  # y\n  c: 3\n"),
        ("d: {a: 1, b: 2}", "a", "d: {b: 2}"), ("d: {a: 1, b: 2}", "b", "d: {a: 1}"),
    ])
    func removesPairs(before: String, key: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.change(pairsOf: try #require(node["d"]), removing: [key], appending: [])
        }
        #expect(result == after)
    }

    @Test func addsANestedMapping() throws {
        for (before, after) in [
            ("s:\n  m: 1\n", "s:\n  m: 1\n  data:\n    a: new\n"),
            ("s: {m: 1}", "s: {m: 1, \"data\": {\"a\": \"new\"}}"),
        ] {
            let result = try edit(before) { node, editor in
                try editor.change(
                    pairsOf: try #require(node["s"]), removing: [],
                    appending: [("data", .mapping([("a", "new")]))])
            }
            #expect(result == after)
        }
    }

    @Test func addsMappingsInMappings() throws {
        let value = SourceEditor.NewValue.nested([("b", .mapping([("c", "new")])), ("d", .string("x: y"))])
        for (before, after) in [
            ("s:\n  m: 1\n", "s:\n  m: 1\n  a:\n    b:\n      c: new\n    d: \"x: y\"\n"),
            ("s: {m: 1}", "s: {m: 1, \"a\": {\"b\": {\"c\": \"new\"}, \"d\": \"x: y\"}}"),
        ] {
            let result = try edit(before) { node, editor in
                try editor.change(
                    pairsOf: try #require(node["s"]), removing: [], appending: [("a", value)])
            }
            #expect(result == after)
        }
    }

    /// In any layout, an edit has the intended values or is rejected.
    @Test func editsGeneratedLayoutsAsIntended() throws {
        var random = SeededGenerator(state: 20_261_125)
        for _ in 0..<2_000 {
            let (text, count) = Layout.list(&random)
            let removed = Set((0..<count).filter { _ in random.next() % 3 == 0 })
            let result = try edit(text) { node, editor in
                try editor.change(
                    try #require(node["s"]), removing: removed, appending: [[("k", "new"), ("w", "v w: #x")]])
            }
            let elements = try #require(try read(result)[0]["s"]?.elements, "\(text)\n->\n\(result)")
            let expected = (0..<count).filter { !removed.contains($0) }.map { "k\($0)" } + ["new"]
            #expect(elements.map { $0["k"]?.string } == expected, "\(text)\n->\n\(result)")
            #expect(elements.last?["w"]?.string == "v w: #x")
            #expect(try read(result)[0]["z"]?.string == "end")
        }
    }
}

/// Lists in the layouts that users write.
private enum Layout {
    static func list(_ random: inout SeededGenerator) -> (String, Int) {
        func one(_ choices: [String]) -> String { choices[Int(random.next() % UInt64(choices.count))] }
        let count = Int(random.next() % 4) + 1
        let lineBreak = one(["\n", "\r\n"])
        let items = (0..<count).map { index in
            (
                key: one(["k\(index)", "'k\(index)'", "\"k\(index)\""]),
                value: one(["v", "'é # x'", "\"a: b\""])
            )
        }
        let comment = one(["", " # c", "  # s: [x]"])
        if random.next().isMultiple(of: 3) {
            let space = one([" ", lineBreak + "  "])
            let list = items.map { "{k: \($0.key), w: \($0.value)}" }.joined(separator: ",\(space)")
            return ("s: [\(list)]\(comment)\(lineBreak)z: end", count)
        }
        let indent = one(["", "  ", "    "])
        var text = "s:\(comment)\(lineBreak)"
        for item in items {
            if random.next().isMultiple(of: 4) { text += "\(indent)# above\(lineBreak)\(lineBreak)" }
            text += "\(indent)- k: \(item.key)\(comment)\(lineBreak)"
            let value = one([item.value, "|\(lineBreak)\(indent)      text\(lineBreak)\(indent)      more"])
            text += "\(indent)  w: \(value)\(lineBreak)"
        }
        return (text + "z: end" + one(["", lineBreak]), count)
    }
}
