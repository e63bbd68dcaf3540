import Testing

@testable import HTTP

struct LineFramerTests {
    private func framed(_ chunks: [[UInt8]], limit: Int = 1 << 20) -> [LineFramer.Line] {
        var framer = LineFramer(maximumLength: limit)
        var lines: [LineFramer.Line] = []
        for chunk in chunks { lines += framer.append(chunk) }
        if let last = framer.finish() { lines.append(last) }
        return lines
    }

    private func lines(_ chunks: [[UInt8]]) -> [[UInt8]] {
        framed(chunks).compactMap { if case .complete(let line) = $0 { line } else { nil } }
    }

    @Test func returnsTheSameLinesForAnyChunking() {
        var random = SystemRandomNumberGenerator()
        let alphabet: [UInt8] = [0x0A, 0x0D, 0x61, 0x62, 0xE2, 0x80, 0xA8, 0x00]
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            var expected = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
            if expected.last?.isEmpty == true { expected.removeLast() }
            var chunks: [[UInt8]] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let length = Int.random(in: 0...7, using: &random)
                chunks.append(Array(rest.prefix(length)))
                rest = rest.dropFirst(length)
            }
            #expect(lines(chunks) == expected, "\(chunks)")
        }
    }

    @Test func treatsUnicodeSeparatorsAsContent() {
        let line = Array("{\"a\":\"x\u{2028}y\u{2029}\u{85}\"}\r".utf8)
        #expect(lines([line + [0x0A]]) == [line])
    }

    @Test func enforcesTheLimitExactly() {
        let line = [UInt8](repeating: 0x61, count: 10)
        #expect(framed([line, [0x0A]], limit: 10) == [.complete(line)])
        #expect(framed([line, [0x61], [0x0A]], limit: 10) == [.tooLong(prefix: line, length: 11)])
        #expect(framed([line + [0x61, 0x0A]], limit: 10) == [.tooLong(prefix: line, length: 11)])
        #expect(framed([line, line], limit: 10) == [.tooLong(prefix: line, length: 20)], "at the end, too")
    }

    @Test func returnsCompleteLinesAfterOneThatIsTooLong() {
        let long = [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 1000), count: 50)
        let lines = framed([[0x62, 0x0A]] + long + [[0x0A, 0x63, 0x0A, 0x0A]], limit: 100)
        #expect(
            lines == [
                .complete([0x62]), .tooLong(prefix: [UInt8](repeating: 0x61, count: 100), length: 50_000),
                .complete([0x63]), .complete([]),
            ])
    }
}
