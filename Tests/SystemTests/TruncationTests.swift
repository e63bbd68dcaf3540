import System
import Testing

@Suite struct TruncationTests {
    @Test(arguments: [
        ("abc", 3, "abc"), ("abc", 2, "ab"), ("abc", 0, ""), ("aé", 2, "a"), ("aé", 3, "aé"), ("😀", 3, ""),
        ("", 5, ""),
    ])
    func endsBetweenTwoScalars(text: String, count: Int, expected: String) {
        #expect(text.truncated(toUTF8: count) == expected)
    }

    /// One Character of 200,000 bytes.
    @Test func boundsCombiningMarks() {
        let text = "a" + String(repeating: "\u{301}", count: 100_000)
        #expect(text.truncated(toUTF8: 256).utf8.count <= 256)
    }
}
