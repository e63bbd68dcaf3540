import Testing

@testable import HTTP

struct LineFramerTests {
    private func lines(_ chunks: [[UInt8]], limit: Int = 1 << 20) throws -> [[UInt8]] {
        var framer = LineFramer(maximumLength: limit)
        var lines: [[UInt8]] = []
        for chunk in chunks { lines += try framer.append(chunk) }
        if let last = framer.finish() { lines.append(last) }
        return lines
    }

    @Test func anyChunkingGivesTheSameLines() throws {
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
            #expect(try lines(chunks) == expected, "\(chunks)")
        }
    }

    @Test func separatorsOfUnicodeAreContent() throws {
        let line = Array("{\"a\":\"x\u{2028}y\u{2029}\u{85}\"}\r".utf8)
        #expect(try lines([line + [0x0A]]) == [line])
    }

    @Test func aLineMayBeAsLongAsTheLimitAndNotLonger() throws {
        let line = [UInt8](repeating: 0x61, count: 10)
        #expect(try lines([line, [0x0A]], limit: 10) == [line])
        #expect(throws: HTTPError.self) { try lines([line, [0x61]], limit: 10) }
        #expect(throws: HTTPError.self) { try lines([line + [0x61, 0x0A]], limit: 10) }
    }
}
