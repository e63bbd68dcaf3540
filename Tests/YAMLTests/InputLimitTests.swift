import Cryptography
import Testing

@testable import YAML

/// A small file must neither take much memory nor much time.
struct InputLimitTests {
    private func scalar(_ count: Int) -> String { String(repeating: "a", count: count) }

    /// Every use of an alias may be copied: as the key of a mapping, as the value of an entry.
    @Test(arguments: ["- *x\n", "- {*x : 1}\n", "- [[*x]]\n"])
    func rejectsAliasesOfManyBytes(use: String) throws {
        let text = "x: &x \(scalar(64 << 10))\ny:\n"
        #expect(try read(text + String(repeating: use, count: 60)).count == 1)
        let error = readError(text + String(repeating: use, count: 70))
        #expect(error?.code == .badAlias)
        #expect(error?.message == "aliases add more than 4 MiB of text; write the values out")
    }

    @Test func countsTheBytesOfKeysAndOfAliasesInAnAlias() {
        let keys = "x: &x {? \(scalar(64 << 10))\n: 1}\ny:\n" + String(repeating: "- *x\n", count: 70)
        #expect(readError(keys)?.code == .badAlias)
        let merged = "x: &x {? \(scalar(64 << 10))\n: 1}\ny:\n" + String(repeating: "- {<<: *x}\n", count: 70)
        #expect(readError(merged)?.code == .badAlias)
        let nested =
            "x: &x \(scalar(64 << 10))\ny: &y [*x, *x, *x, *x]\nz:\n" + String(repeating: "- *y\n", count: 16)
        #expect(readError(nested)?.code == .badAlias)
    }

    /// Otherwise, a file of many documents would multiply its size.
    @Test func countsTheAliasesOfAllDocuments() throws {
        let document = "---\nx: &x \(scalar(64 << 10))\ny: [*x, *x, *x, *x, *x, *x, *x, *x]\n"
        #expect(try read(String(repeating: document, count: 7)).count == 7)
        #expect(readError(String(repeating: document, count: 9))?.code == .badAlias)
        let nodes =
            "---\nx: &x [\(String(repeating: "1,", count: 999))]\ny:\n"
            + String(repeating: "- *x\n", count: 60)
        #expect(try read(nodes).count == 1)
        #expect(readError(nodes + nodes)?.code == .badAlias)
    }

    /// Each tagged node would have a copy of the prefix.
    @Test func rejectsALongPrefixOfTags() throws {
        func text(_ count: Int) -> String { "%TAG !e! tag:\(scalar(count))\n---\na: !e!x b\n" }
        #expect(try read(text(100)).count == 1)
        let error = readError(text(300))
        #expect(error?.code == .syntax)
        #expect(error?.message == "a %TAG directive has more than 256 bytes; write the tags out")
        #expect(readError("a: b\n...\n" + text(300))?.line == 3)
    }

    /// libyaml ends lines at these characters too, so that many directives can be on one line of other programs.
    @Test(arguments: ["\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}"])
    func countsDirectivesBetweenAllLineBreaks(lineBreak: String) throws {
        func text(_ count: Int) -> String {
            (0..<count).map { "%TAG !h\($0)! tag:h\($0):\(lineBreak)" }.joined()
                + "---\(lineBreak)a: !h0!x v\(lineBreak)"
        }
        #expect(try read(text(LineIndex.maximumTagDirectives)).count == 1)
        #expect(
            readError(text(LineIndex.maximumTagDirectives + 1))?.message.contains("%TAG directives") == true)
        // The limit is per document.
        #expect(try read(String(repeating: text(40) + "...\(lineBreak)", count: 4)).count == 4)
        #expect(
            readError("a: b\(lineBreak)...\(lineBreak)%TAG !e! tag:\(scalar(300))\n---\nc")?.code == .syntax)
    }
}
