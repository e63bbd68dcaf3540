import Cryptography
import JSON
import System
import Testing

@testable import YAML

/// For any bytes, the reader returns nodes or throws an error of one line.
struct FuzzTests {
    private static let pieces: [String] = [
        "a", "b: ", ": ", "- ", "\n", "  ", "\n  ", "\n- ", "? ", "[", "]", "{", "}", ",", "\"", "'", "|\n",
        ">-\n",
        "&a ", "*a", "!!int ", "!!binary ", "!<x> ", "<<: ", "#", "---\n", "...\n", "%YAML 1.1\n", "\\u00",
        "\\ud83d",
        "1", "0x", "1e9", "~", "null", "true", "\t", "\r\n", "\u{85}", "\u{2028}", "é", "😀", "\u{FEFF}",
        "\u{7F}",
        "@", "`", "%", "\\", "=",
    ]

    @Test(arguments: 1...8)
    func readsOrRejectsRandomTokens(seed: UInt64) {
        var generator = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15)
        for _ in 0..<600 {
            let count = Int.random(in: 1...40, using: &generator)
            var text = ""
            for _ in 0..<count { text += Self.pieces.randomElement(using: &generator) ?? "" }
            check(Array(text.utf8))
        }
    }

    @Test(arguments: 1...4)
    func randomBytes(seed: UInt64) {
        var generator = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15)
        for _ in 0..<600 {
            let count = Int.random(in: 0...60, using: &generator)
            check((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
        }
    }

    /// A manifest with one byte changed, at each offset.
    @Test func readsOrRejectsMutatedManifests() {
        let manifest = Array(
            "{\"a\": [1, -2.5e3, \"x\\u00e9\\ud83d\\ude00\"], \"b\": {\"c\": null}}\n---\nk: &a |-\n  x\nl: *a\n"
                .utf8)
        for index in manifest.indices {
            for byte: UInt8 in [0, 9, 10, 32, 34, 39, 42, 45, 58, 91, 92, 125, 195, 255] {
                var changed = manifest
                changed[index] = byte
                check(changed)
            }
            check(Array(manifest[..<index]))
        }
    }

    /// Both readers of JSON accept the same documents: the one for responses and the one for files.
    @Test func bothReadersOfJSONAcceptTheSameDocuments() {
        let document = Array(
            #"{"a": [1, -2.5e3, 0, "x\u00e9\ud83d\ude00\n"], "b": {"c": null, "d": [true, false, {}]}, "e": []}"#
                .utf8)
        for index in document.indices {
            for byte in Array(#"0123456789-+.eE"\/ud,:[]{}tfn "#.utf8) + [9, 10, 31, 127, 255] {
                var changed = document
                changed[index] = byte
                checkJSON(changed)
                changed = document
                changed.insert(byte, at: index)
                checkJSON(changed)
            }
            checkJSON(Array(document[..<index]))
        }
    }

    private func checkJSON(_ bytes: [UInt8]) {
        let isResponse = (try? JSONValue(parsing: SecretBytes(copying: bytes))) != nil
        let isFile = bytes.withUnsafeBytes { bytes in
            guard let text = try? SourceText(bytes, name: "f") else { return false }
            var composer = NodeComposer(JSONEventParser(text), of: text)
            return (try? composer.documents { [$0] })?.count == 1
        }
        #expect(isResponse == isFile, "\(String(decoding: bytes, as: UTF8.self))")
    }

    private func check(_ bytes: [UInt8]) {
        do {
            for document in try read(bytes) {
                verify(document, count: bytes.count)
                // The nodes can be written and are read again unchanged.
                let written = YAMLWriter.write([JSONValue(document)])
                let again = try YAMLReader.documents(in: written, source: "again")
                #expect(text(YAMLWriter.write(again.map { JSONValue($0) })) == text(written))
            }
        } catch {
            #expect(!"\(error)".contains("\n"), "\(bytes)")
            #expect(error.line >= 1, "\(bytes)")
            #expect(error.column >= 1, "\(bytes)")
        }
    }

    private func verify(_ node: YAMLNode, count: Int) {
        #expect(0...count ~= node.range.start)
        #expect(node.range.start...count ~= node.range.end)
        node.elements?.forEach { verify($0, count: count) }
        node.entries?.forEach { verify($0.value, count: count) }
    }
}
