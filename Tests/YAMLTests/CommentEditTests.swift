import Cryptography
import JSON
import Testing

@testable import YAML

/// Edits keep comments and blank lines beside the values that they change.
struct CommentEditTests {
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
        ("a: >-   # rotate\n  old\n  more\n\n\nb: 1\n", "a: new   # rotate\n\n\nb: 1\n"),
        ("a: |- # rotate \r\n  old\r\n\r\nb: 1\r\n", "a: new # rotate \r\n\r\nb: 1\r\n"),
        ("a: |\n  old\n  \n    \n# next\nb: 1\n", "a: new\n  \n    \n# next\nb: 1\n"),
        ("a: |+\n  old\n\nb: 1\n", "a: new\n\nb: 1\n"),
        ("a: |\n  # part of it\n  old\n\n  # still\n # outside\nb: 1\n", "a: new\n # outside\nb: 1\n"),
        ("a: >2-  # é\n  old\n\n", "a: new  # é\n\n"), ("a: |  # c\n\n\nb: 1\n", "a: new  # c\n\n\nb: 1\n"),
        ("a: |\n  old\n   ", "a: new\n   "), ("a: |\n  old", "a: new"), ("a: |  \n  old\n", "a: new\n"),
        ("a: |\n  old\u{2028}\u{2028}b: 1\n", "a: new\u{2028}\u{2028}b: 1\n"),
        ("a: |\r  old\r\rb: 1\r", "a: new\r\rb: 1\r"),
        ("- a: | # x\n    old\n\n  b: 1\n", nil), ("a: |\n  old\n\n---\nb: 1\n", "a: new\n\n---\nb: 1\n"),
    ])
    func replacesABlockScalar(before: String, after: String?) throws {
        let result = try edit(before) { node, editor in
            try editor.replace(try #require(node["a"] ?? node.elements?[0]["a"]), with: "new")
        }
        #expect(result.debugDescription == (after ?? "- a: new # x\n\n  b: 1\n").debugDescription)
    }

    @Test(arguments: [
        ("d:\n  a: 1\n  b: |\n    text\n\n\nc: 3\n", "b", "d:\n  a: 1\n\n\nc: 3\n"),
        ("d:\n  a: |- # x\n    text\n\n  # y\n  b: 2\n", "a", "d:\n\n  # y\n  b: 2\n"),
        ("d:\n  a: 1\n  b:\n    - k: >-\n        text\n\nc: 3\n", "b", "d:\n  a: 1\n\nc: 3\n"),
        ("d:\n  a: 1 # x\n  # y\n  b: 2 # z\n  c: 3 # w\n", "b", "d:\n  a: 1 # x\n  # y\n  c: 3 # w\n"),
        (
            "d:\n  a: 1\n  b: # x\n    c: 2\n    # y\n    d: 3\n  # z\ne: 4\n", "b",
            "d:\n  a: 1\n  # z\ne: 4\n"
        ),
    ])
    func removesAPair(before: String, key: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.change(pairsOf: try #require(node["d"]), removing: [key], appending: [])
        }
        #expect(result == after)
    }

    @Test(arguments: [
        ("d:\n  a: |\n    text\n\n\ne: 2\n", "d:\n  a: |\n    text\n  c: new\n\n\ne: 2\n"),
        // The blank lines are a part of the value.
        ("d:\n  a: |+\n    text\n\n\ne: 2\n", "d:\n  a: |+\n    text\n\n\n  c: new\ne: 2\n"),
        ("d:\n  a: |2+ # x\n    text\n\ne: 2\n", "d:\n  a: |2+ # x\n    text\n\n  c: new\ne: 2\n"),
        ("d:\n  a: |- # 1+1\n    text\n\ne: 2\n", "d:\n  a: |- # 1+1\n    text\n  c: new\n\ne: 2\n"),
        ("d:\n  a: !!str |+\n    text\n\ne: 2\n", "d:\n  a: !!str |+\n    text\n\n  c: new\ne: 2\n"),
        ("d:\n  a:\n  - |+\n    text\n\ne: 2\n", "d:\n  a:\n  - |+\n    text\n\n  c: new\ne: 2\n"),
    ])
    func appendsAPair(before: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.change(
                pairsOf: try #require(node["d"]), removing: [], appending: [("c", .string("new"))])
        }
        #expect(result == after)
    }

    @Test func appendsAPairAfterAReplacedBlockScalar() throws {
        let result = try edit("d:\n  a: |+ # x\n    text\n\ne: 2\n") { node, editor in
            let mapping = try #require(node["d"])
            try editor.replace(try #require(mapping["a"]), with: "v")
            try editor.change(pairsOf: mapping, removing: [], appending: [("c", .string("new"))])
        }
        #expect(result == "d:\n  a: v # x\n  c: new\n\ne: 2\n")
    }

    @Test(arguments: [
        ("d: {} # keep\ne: 2\n", "d: # keep\n  a: v\n  b: w\ne: 2\n"),
        (
            "s:\n  d: {}   # keep\n  # more\n  e: 2\n",
            "s:\n  d:   # keep\n    a: v\n    b: w\n  # more\n  e: 2\n"
        ),
        ("d: # keep\ne: 2\n", "d: # keep\n  a: v\n  b: w\ne: 2\n"), ("d: ~", "d:\n  a: v\n  b: w"),
        ("d: null # keep\r\n", "d: # keep\r\n  a: v\r\n  b: w\r\n"),
        ("d:\n  {} # keep\ne: 2\n", "d:\n  {\"a\": \"v\", \"b\": \"w\"} # keep\ne: 2\n"),
        ("{\"d\": {}, \"e\": 2}", "{\"d\": {\"a\": \"v\", \"b\": \"w\"}, \"e\": 2}"),
        ("{\"d\": null}", "{\"d\": {\"a\": \"v\", \"b\": \"w\"}}"),
        ("e: 2 # x\n", "e: 2 # x\nd:\n  a: v\n  b: w\n"),
    ])
    func fillsAnEmptyMapping(before: String, after: String) throws {
        let value = SourceEditor.NewValue.mapping([("a", "v"), ("b", "w")])
        let result = try edit(before) { node, editor in
            if let mapping = node["s"] {
                try editor.set("d", of: mapping, to: value)
            } else {
                try editor.set("d", of: node, to: value)
            }
        }
        #expect(result == after)
    }

    @Test(arguments: [
        ("d: # keep\ne: 2\n", "d: v # keep\ne: 2\n"), ("d: \"\" # keep\n", "d: \"v\" # keep\n"),
        ("d: ~   # keep\n", "d: v   # keep\n"), ("{\"d\": null}", "{\"d\": \"v\"}"),
        ("e: 2\n", "e: 2\nd: v\n"),
    ])
    func setsAString(before: String, after: String) throws {
        let result = try edit(before) { node, editor in try editor.set("d", of: node, to: .string("v")) }
        #expect(result == after)
    }

    @Test(arguments: ["d: {a: 1}\n", "d:\n- 1\n", "d: &x {}\n", "d: !!str x\n"])
    func setsNoValueInPlaceOfAnother(text: String) {
        #expect(throws: SourceEditError.self) {
            try edit(text) { node, editor in try editor.set("d", of: node, to: .string("v")) }
        }
    }

    @Test(arguments: [
        (
            "d: # one\n  # two\n  a: 1 # three\n\n  # four\n  b: |- # five\n    x\n\n  # six\ne: 2\n",
            "d: {} # one\n  # two\n\n  # four\n\n  # six\ne: 2\n"
        ),
        ("d: {a: 1} # one\n", "d: {} # one\n"), ("{\"d\": {\"a\": 1}, \"e\": 2}", "{\"d\": {}, \"e\": 2}"),
        ("d:\n  a: 1", "d: {}\n"),
    ])
    func removesAllPairs(before: String, after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.removePairs(of: try #require(node.entries?.first))
        }
        #expect(result == after)
    }

    @Test func rejectsToRemoveAllPairsWithCommentsBetweenBrackets() {
        #expect(throws: SourceEditError.self) {
            try edit("d: {a: 1, # x\n  b: 2}\n") { node, editor in
                try editor.removePairs(of: try #require(node.entries?.first))
            }
        }
    }

    @Test(arguments: [
        ("d:\n- a: 1 # x\n- b: 2 # y\n- c: 3 # z\n", [0, 1], "d:\n- c: 3 # z\n"),
        ("d:\n- a # x\n# about b\n- b # y\n# about c\n- c\n", [0, 1], "d:\n# about b\n# about c\n- c\n"),
        ("d:\n- a: 1\n  # y\n  b: |- # z\n    2\n- c: 3 # x\n- d: 4\n", [0, 1], "d:\n- d: 4\n"),
        ("d:\n- {a: 1} # x\n- k: 1 # y\n- [b] # z\n", [0, 2], "d:\n- k: 1 # y\n"),
    ])
    func removesTheCommentsOfAdjacentElements(before: String, removed: [Int], after: String) throws {
        let result = try edit(before) { node, editor in
            try editor.change(try #require(node["d"]), removing: Set(removed), appending: [])
        }
        #expect(result == after)
    }

    @Test func removesTheCommentsOfAdjacentPairs() throws {
        let result = try edit("d:\n  a: 1 # x\n  b: 2 # y\n  c: 3 # z\n") { node, editor in
            try editor.change(pairsOf: try #require(node["d"]), removing: ["a", "b"], appending: [])
        }
        #expect(result == "d:\n  c: 3 # z\n")
    }

    /// The line of a removed pair is as long as a comment on it.
    @Test func manyCommentsAfterALongOneAreComparedInLinearTime() throws {
        let long = String(repeating: "x", count: 400_000)
        let comments = String(repeating: "  #\n", count: 40_000)
        let start = ContinuousClock.now
        let result = try edit("d:\n  a: 1 # \(long)\n\(comments)  b: 2\n") { node, editor in
            try editor.change(pairsOf: try #require(node["d"]), removing: ["a"], appending: [])
        }
        #expect(result == "d:\n\(comments)  b: 2\n")
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    /// The verifier knows comments by the events of the parser, and not by the edits.
    @Test(arguments: [
        ("a: 1 # one\nb: 2\n", "a: 1\nb: 2\n", 1), ("# one\n# two\na: 1\n", "# two\n# one\na: 1\n", 1),
        ("a: |- # one\n  x\n", "a: |-\n  x\n", 1), ("a: 1\nb: 2\n# end", "a: 1\nb: 2\n", 3),
        ("a: {b: 1} # one\n", "a: {b: 1} # One\n", 1), ("---\n# x\na: 1\n", "---\na: 1\n", 2),
        ("a: 1\n", "a: 1 # one\n", 2), ("a: '#1' # b\nc: x#y # d\n", "a: '#1' # b\nc: x#y\n", 2),
        ("a: 1\n--- # x\nb: 2\n", "a: 1\n---\nb: 2\n", 2), ("[ a, # x\n  b ]\n", "[ a,\n  b ]\n", 1),
    ])
    func rejectsALostComment(before: String, after: String, line: Int) {
        let error = #expect(throws: SourceEditError.self) {
            try EditVerifier.verify(
                from: SharedSecret(copying: before.utf8), to: SharedSecret(copying: after.utf8),
                ExpectedChanges())
        }
        #expect(error?.problem.hasPrefix("would lose or change a comment") == true, "\(error as Any)")
        #expect(
            error?.problem.hasSuffix("move the comment to a line of its own above the item") == true,
            "\(error as Any)")
        #expect(error?.line == line)
    }

    @Test(arguments: [
        "a: '#1' # b\nc: x#y # d\n", "\u{FEFF}# x\na: 1\n---\n\u{FEFF}# y\nb: 2\n", "a: |\n  # x\n  y\n# z",
        "a: &x # y\n  b: 1\nc: *x # z\n", "? a # x\n: b # y\n", "{\"a\": \"#\", \"b\": [\"# x\"]}", "# only",
        "%YAML 1.1 # x\n--- # y\na: 1\n... # z\n", "a: !!str # x\n  y\nb: !!str\n  |- # z\n  c\n",
    ])
    func acceptsAnUnchangedFile(text: String) throws {
        let file = SharedSecret(copying: text.utf8)
        try EditVerifier.verify(from: file, to: file, ExpectedChanges())
    }
}
