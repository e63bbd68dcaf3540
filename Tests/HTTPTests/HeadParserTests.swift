import HTTPTypes
import Testing

@testable import HTTP

struct HeadParserTests {
    private func parse(_ lines: [String]) -> (HeadParser, HeadParser.Outcome) {
        var parser = HeadParser()
        var outcome = HeadParser.Outcome.more
        for line in lines {
            guard outcome == .more else { break }
            outcome = Array(line.utf8).withUnsafeBytes { parser.consume($0) }
        }
        return (parser, outcome)
    }

    @Test func parsesStatusAndFields() {
        let (parser, outcome) = parse(["HTTP/2 404 \r\n", "a: 1\r\n", "A:\t2 \r\n", "B:\r\n", "\r\n"])
        #expect(outcome == .complete)
        #expect(parser.head?.status.code == 404)
        #expect(parser.head?.fields[values: HTTPField.Name("a") ?? .accept] == ["1", "2"])
        #expect(parser.head?.fields[HTTPField.Name("b") ?? .accept] == "")
    }

    @Test func skipsInterimHeads() {
        let (parser, outcome) = parse(
            [
                "HTTP/1.1 103 Early Hints\r\n", "Link: x\r\n", "\r\n", "HTTP/1.1 200 OK\r\n", "A: 1\r\n",
                "\r\n",
            ])
        #expect(outcome == .complete)
        #expect(parser.head?.status == .ok)
        #expect(parser.head?.fields.count == 1)
    }

    @Test func skipsLinesThatAreNotFields() {
        let (parser, _) = parse(["HTTP/1.1 200 OK\r\n", "nonsense\r\n", " folded: x\r\n", "A: 1\r\n", "\r\n"])
        #expect(parser.head?.fields.count == 1)
    }

    @Test(arguments: ["", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 abc", "ICY 200 OK", "HTTP/1.1 099 no"])
    func rejectsMalformedStatusLines(line: String) {
        #expect(parse(["\(line)\r\n"]).1 == .malformed)
    }

    @Test func rejectsHeadsAboveTheLimit() {
        let field = "A: " + String(repeating: "x", count: 60_000) + "\r\n"
        #expect(parse(["HTTP/1.1 200 OK\r\n"] + Array(repeating: field, count: 5)).1 == .tooLarge)
    }
}
