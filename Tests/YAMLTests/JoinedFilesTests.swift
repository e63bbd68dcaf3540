import System
import Testing

@testable import YAML

private let mark = "\u{FEFF}"

/// Byte order marks in joined files. kubectl ignores them at the start of each document.
struct JoinedFilesTests {
    /// `kubectl label --local -o name` reads all of them except a mark before `---`, which YAML 1.2 (5.2) allows.
    @Test(arguments: [
        "\(mark)a: 1\n---\n\(mark)b: 2\n", "a: 1\n---\n\(mark)b: 2\n", "a: 1\n---\r\n\(mark)b: 2\r\n",
        "a: 1\n---\n# Source: x.yaml\n\(mark)b: 2\n", "a: 1\n--- # second\n\n\(mark)b: 2\n",
        "a: 1\n\(mark)---\nb: 2\n", "a: 1\n...\n\(mark)%YAML 1.1\n---\nb: 2\n",
        "\(mark)---\na: 1\n---\n\(mark)---\nb: 2\n",
        "\(mark){\"a\": 1}\n\(mark){\"b\": 2}", "{\"a\": 1}\n---\n\(mark){\"b\": 2}\n",
    ])
    func ignoresAByteOrderMarkAtTheStartOfADocument(text: String) throws {
        let documents = try read(text)
        #expect(documents.map { $0.entries?.map(\.key) } == [["a"], ["b"]])
        let mark = try #require(documents[1].entries?[0].keyRange)
        #expect(Array(text.utf8)[mark.start] == UInt8(ascii: text.contains("\"b\"") ? "\"" : "b"))
    }

    @Test func rangesAreThoseOfTheFile() throws {
        let second = try read("a: é\n---\n\(mark)b: 2\nc: é\n")[1]
        #expect(second.range.location(in: "f") == "f:3:1")
        #expect(second.entries?[1].keyRange.location(in: "f") == "f:4:1")
    }

    /// In the middle of a document, a byte order mark is content.
    @Test(arguments: [
        ("a: |\n  x\n  \(mark)y\n", "x\n\(mark)y\n"), ("a: \"\(mark)\"\n", mark),
        ("a: x\(mark)\n", "x\(mark)"),
        ("{\"a\": \"\(mark)\"}", mark), ("{\"a\": \"\(mark)x\"}", "\(mark)x"), ("{\"a\": \"\\uFEFF\"}", mark),
    ])
    func keepsAByteOrderMarkInAValue(text: String, value: String) throws {
        #expect(try read(text)[0]["a"]?.string.map { Array($0.utf8) } == Array(value.utf8))
    }

    @Test func keepsAByteOrderMarkInAKey() throws {
        let key = try #require(try read("{\"\(mark)a\": 1}")[0].entries?[0].key)
        #expect(Array(key.utf8) == Array("\(mark)a".utf8))
    }

    /// A fuzzing input: one scalar, which `documents` would read as YAML.
    @Test func readsAStringOfAByteOrderMark() throws {
        let scalar = try Array("\"\(mark)\"".utf8).withUnsafeBytes { bytes throws(YAMLError) in
            let events = JSONEventParser(try SourceText(bytes, name: "f"))
            _ = try events.next()
            return try? events.next().scalar()
        }
        #expect(scalar?.string.map { Array($0.utf8) } == [0xEF, 0xBB, 0xBF])
    }

    /// libyaml compares each directive and each tag with all directives.
    @Test func rejectsTooManyDirectives() throws {
        func text(_ count: Int) -> String {
            (0..<count).map { "%TAG !h\($0)! tag:h\($0):\n" }.joined() + "---\na: !h0!x v\n"
        }
        #expect(try read(text(LineIndex.maximumTagDirectives)).count == 1)
        let error = readError(text(LineIndex.maximumTagDirectives + 1))
        #expect(error?.line == LineIndex.maximumTagDirectives + 1)
        #expect(error?.message.contains("%TAG directives; write the tags out") == true)
        // The limit is per document.
        #expect(try read(String(repeating: text(40) + "...\n", count: 4)).count == 4)
    }

    @Test func limitsTheSizeOfAFile() throws {
        let filler = String(repeating: "#", count: 1023) + "\n"
        var bytes = Array("a: 1\n".utf8)
        bytes += Array(String(repeating: filler, count: YAMLReader.maximumBytes / 1024).utf8)
        bytes.removeLast(bytes.count - YAMLReader.maximumBytes)
        #expect(try read(bytes).count == 1)
        bytes.append(10)
        do throws(YAMLError) {
            _ = try read(bytes)
            Issue.record("it was read")
        } catch {
            #expect(error.code == .tooLarge)
            #expect(error.message.hasSuffix("at most 32 MiB are read; split it"))
        }
    }

    @Test func escapesTheSourceInErrors() {
        let error = YAMLError(
            code: .syntax, source: "a\nb\u{1B}[2J\u{202E}", line: 1, column: 1, message: "m")
        #expect(error.description == #"a\nb\u{1B}[2J\u{202E}:1:1: m"#)
    }
}
