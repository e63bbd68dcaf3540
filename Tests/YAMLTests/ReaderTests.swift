import System
import Testing

@testable import YAML

struct ReaderTests {
    @Test func readsAManifest() throws {
        let node = try #require(
            try read("# c\napiVersion: v1\nmetadata:\n  name: db\nlist: [a, {b: 1}]\nimmutable: true\n").first
        )
        #expect(node["metadata"]?["name"]?.string == "db")
        #expect(node["list"]?.elements?.first?.string == "a")
        #expect(node["list"]?.elements?.last?["b"]?.int == 1)
        #expect(node["immutable"]?.bool == true)
        #expect(node["none"] == nil)
        #expect(node["immutable"]?["none"] == nil)
        #expect(node.entries?.map(\.key) == ["apiVersion", "metadata", "list", "immutable"])
    }

    @Test func skipsEmptyDocuments() throws {
        let documents = try read("---\n---\na: 1\n--- # c\n# only a comment\n---\n~\n---\nb: 2\n...\n")
        #expect(documents.map { $0.entries?.first?.key } == ["a", "b"])
        #expect(try read("").isEmpty)
        #expect(try read(" \n# nothing\n").isEmpty)
    }

    @Test func readsByteOrderMarkAndCarriageReturns() throws {
        let text = "\u{FEFF}a: é1\r\nb:\r\n  c: |\r\n    x\r\n    y\r\n"
        let node = try #require(try read(text).first)
        #expect(node["a"]?.string == "é1")
        #expect(node["b"]?["c"]?.string == "x\ny\n")
        #expect(node["b"]?["c"]?.range.line == 3)
        let json = try #require(try read("\u{FEFF}\r\n {\"a\": \"b\"}").first)
        #expect(json["a"]?.range == SourceRange(line: 2, column: 8, start: 12, end: 15))
    }

    /// Every range selects its node in a file with characters of 1, 2, 3 and 4 bytes.
    @Test func rangesAreByteOffsets() throws {
        let source =
            "é: ü # ß\n\"€\": '😀 ''x'\nlist:\n- a\n- {k: v, w: [1, 2]} # c\nlit: |\n  €1\n  2\nend: x\n# tail\n"
        let bytes = Array(source.utf8)
        func cut(_ range: SourceRange) -> String {
            String(decoding: bytes[range.start..<range.end], as: UTF8.self)
        }
        let node = try #require(try read(source).first)
        let entries = try #require(node.entries)
        #expect(entries.map { cut($0.keyRange) } == ["é", "\"€\"", "list", "lit", "end"])
        #expect(cut(entries[0].value.range) == "ü")
        #expect(cut(entries[1].value.range) == "'😀 ''x'")
        #expect(cut(entries[2].value.range) == "- a\n- {k: v, w: [1, 2]}")
        #expect(cut(try #require(entries[2].value.elements?.last?["w"]).range) == "[1, 2]")
        #expect(cut(entries[3].value.range) == "|\n  €1\n  2\n")
        #expect(entries[1].value.range.line == 2)
        #expect(entries[1].value.range.column == 6)
        #expect(cut(node.range).hasSuffix("end: x"))
    }

    /// The nodes are beyond the first checkpoint of the character index.
    @Test func rangesAreRightFarIntoAFile() throws {
        var source = ""
        for line in 0..<2000 { source += "kéy\(line): wert€\(line)\n" }
        let bytes = Array(source.utf8)
        for (line, entry) in try #require(try read(source).first?.entries).enumerated() {
            let range = entry.value.range
            #expect(String(decoding: bytes[range.start..<range.end], as: UTF8.self) == "wert€\(line)")
            #expect(range.line == line + 1)
        }
    }

    /// In minified JSON, columns are not counted from the start of the line each time.
    @Test func findsColumnsInOneLongLine() throws {
        let values = (0..<20_000).map { "\"é\($0)\"" }.joined(separator: ",")
        let elements = try #require(try read("[\(values)]").first?.elements)
        #expect(elements.count == 20_000)
        #expect(elements[2].range == SourceRange(line: 1, column: 12, start: 13, end: 18))
        #expect(elements.last?.range.column == values.unicodeScalars.count - 6)
    }

    @Test func resolvesAliasesAndMergeKeys() throws {
        let node = try #require(
            try read("a: &a {x: 1, z: 2}\nb: *a\nc:\n  <<: *a\n  z: 3\nd:\n  <<: [{x: 5}, *a]\n").first)
        #expect(node["b"]?["x"]?.int == 1)
        #expect(node["b"]?.isAlias == true)
        #expect(node["b"]?.range.line == 2)
        #expect(node["c"]?["x"]?.int == 1)
        #expect(node["c"]?["z"]?.int == 3)
        #expect(node["c"]?.entries?.map(\.isMerged) == [true, false])
        #expect(node["d"]?["x"]?.int == 5)
        #expect(node["d"]?["z"]?.int == 2)
        #expect(try read("'<<': a").first?.entries?.first?.key == "<<")
    }

    @Test func anchorsEndWithTheirDocument() {
        #expect(readError("a: &a 1\n---\nb: *a\n")?.code == .badAlias)
    }
}
