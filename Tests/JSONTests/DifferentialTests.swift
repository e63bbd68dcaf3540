import Foundation
import TestSupport
import Testing

@testable import JSON

/// The reader against Foundation's decoder, on documents that are generated and then damaged.
struct DifferentialTests {
    /// A type that both can read.
    struct Sample: Decodable, JSONReadable, Equatable {
        var name: String?
        var flag: Bool?
        var number: Int64?
        var list: [String]?
        var map: [String: String]?

        init(json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "name": name = try json.readOptional()
                case "flag": flag = try json.readOptional()
                case "number": number = try json.readOptional()
                case "list": list = try json.readOptional()
                case "map": map = try json.readOptional()
                default: break
                }
            }
        }
    }

    private func ours(_ bytes: [UInt8]) -> Sample? { try? JSONReader.read(Sample.self, from: bytes) }

    private func foundations(_ bytes: [UInt8]) -> Sample? {
        try? JSONDecoder().decode(Sample.self, from: Data(bytes))
    }

    private static let texts = [
        #""""#, #""a""#, #""é😀""#, #""\u00e9\ud83d\ude00""#, #""\"\\\/\b\f\n\r\t""#, #""\u0000\u001f\u2028""#,
        #"",:]}{[""#,
        #""\\""#, #""\\\"""#,
    ]

    private func value(_ random: inout SeededGenerator, _ depth: Int) -> String {
        let space = ["", "", " ", "\n\t"].randomElement(using: &random) ?? ""
        let text = { (random: inout SeededGenerator) in Self.texts.randomElement(using: &random) ?? "" }
        let body: String
        switch Int.random(in: 0..<(depth > 0 ? 9 : 6), using: &random) {
        case 0: body = "null"
        case 1: body = ["true", "false"].randomElement(using: &random) ?? ""
        case 2:
            body =
                ["0", "-1", "42", "9223372036854775807", "-9223372036854775808"].randomElement(using: &random)
                ?? ""
        case 3: body = ["1.5", "-0.25e-3", "1E5"].randomElement(using: &random) ?? ""
        case 4, 5: body = text(&random)
        case 6:
            body =
                "["
                + (0..<Int.random(in: 0...3, using: &random)).map { _ in value(&random, depth - 1) }
                .joined(separator: ",") + "]"
        default:
            body =
                "{"
                + (0..<Int.random(in: 0...3, using: &random)).map {
                    "\"k\($0)\"\(space):" + value(&random, depth - 1)
                }
                .joined(separator: ",") + "}"
        }
        return space + body + space
    }

    private func document(_ random: inout SeededGenerator) -> String {
        var members: [String] = []
        for (key, good) in [
            ("name", Self.texts), ("flag", ["true", "false"]),
            ("number", ["0", "-7", "9223372036854775807"]),
            ("list", ["[]", #"["a", "\u00e9"]"#]), ("map", ["{}", #"{"a":"b","c" : "d"}"#]), ("other", []),
            ("more", []),
        ] {
            guard Bool.random(using: &random) else { continue }
            let isGood = !good.isEmpty && Int.random(in: 0..<8, using: &random) > 0
            members.append(
                "\"\(key)\":" + (isGood ? good.randomElement(using: &random) ?? "" : value(&random, 3)))
        }
        members.shuffle(using: &random)
        return "{" + members.joined(separator: ",") + "}"
    }

    /// Except numbers with a fraction of zero, which Foundation accepts as an integer.
    @Test(arguments: DifferentialRun.seeds) func readsWhatFoundationReads(seed: Int) {
        var random = SeededGenerator(seed)
        for _ in 0..<DifferentialRun.documents(500) {
            let text = document(&random)
            guard !text.contains("1E5") else { continue }
            let bytes = Array(text.utf8)
            let (own, theirs) = (ours(bytes), foundations(bytes))
            if own != theirs { Issue.record("seed \(seed): \(text)") }
        }
    }

    /// On damaged documents nothing traps, and both read the same values. In values that are not read, the
    /// reader accepts what Foundation rejects: bytes that are not UTF-8, and invalid escapes.
    @Test(arguments: DifferentialRun.seeds) func readsTheSameAsFoundationInDamagedDocuments(seed: Int) {
        var random = SeededGenerator(1000 + seed)
        for _ in 0..<DifferentialRun.documents(1500) {
            var bytes = Array(document(&random).utf8)
            damage(&bytes, &random)
            // Foundation uses the first of equal keys.
            let text = String(decoding: bytes, as: UTF8.self)
            let isTwice = ["name", "flag", "number", "list", "map", "a", "c"].contains {
                text.components(separatedBy: "\"\($0)\"").count > 2
            }
            guard !isTwice, let theirs = foundations(bytes) else {
                _ = ours(bytes)
                continue
            }
            let isNumberOnly = text.contains(".") || text.contains("e") || text.contains("E")
            if let own = ours(bytes) {
                if own != theirs { Issue.record("seed \(seed): \(text)") }
            } else if !isNumberOnly {
                Issue.record("seed \(seed): \(text)")
            }
        }
    }

    /// Foundation's decoder rejects a document for the depth of a value that is not read.
    @Test func readsDocumentsThatFoundationRejectsForTheirDepth() {
        let deep = String(repeating: #"{"f:x":"#, count: 600) + "{}" + String(repeating: "}", count: 600)
        let bytes = Array(#"{"other":\#(deep),"name":"a"}"#.utf8)
        #expect(foundations(bytes) == nil)
        #expect(ours(bytes)?.name == "a")
    }

    /// A truncated document is an error and never a trap.
    @Test func rejectsEveryTruncation() {
        var random = SeededGenerator(7)
        for _ in 0..<100 {
            let bytes = Array(document(&random).utf8)
            for end in 0..<bytes.count { #expect(ours(Array(bytes[..<end])) == nil) }
        }
    }
}
