import Foundation
import Logging
import Testing

@testable import SecretsBridge

/// Names that tenants choose and texts of servers must not break out of their line.
struct LineLogHandlerTests {
    private let hostile = "a\u{1B}[2J\n\u{7F}\u{9B}\u{2028}\u{202E}\u{200B}z"

    private func line(_ format: LineLogHandler.Format) -> String {
        LineLogHandler(format, level: .info).line(
            .warning, "m\(hostile)", ["k\(hostile)": "v\(hostile)"], time: "now")
    }

    @Test func escapesInvisibleCharactersInJSON() throws {
        let line = line(.json)
        #expect(line.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 0x20 && $0.value != 0x7F })
        let fields = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(
            fields == ["level": "warn", "msg": "m\(hostile)", "time": "now", "k\(hostile)": "v\(hostile)"])
    }

    @Test func escapesInvisibleCharactersInText() {
        let line = line(.text)
        let escaped = #"a\u{1B}[2J\n\u{7F}\u{009B}\u{2028}\u{202E}\u{200B}z"#
        #expect(line == "now WARNING m\(escaped) k\(escaped)=v\(escaped)")
    }
}
