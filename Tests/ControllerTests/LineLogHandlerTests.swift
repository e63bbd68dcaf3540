import Foundation
import KubeClient
import Logging
import Resources
import TestSupport
import Testing

@testable import Controller

/// Names that tenants choose and texts that servers send cannot forge a line, or what a line looks like.
struct LineLogHandlerTests {
    private let hostile = "a\u{1B}[2J\n\u{7F}\u{9B}\u{2028}\u{202E}\u{200B}z"

    private func line(_ format: LineLogHandler.Format) -> String {
        LineLogHandler(format, level: .info).line(
            .warning, "m\(hostile)", ["k\(hostile)": "v\(hostile)"], time: "now")
    }

    @Test func jsonEscapesWhatDoesNotShow() throws {
        let line = line(.json)
        #expect(line.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 0x20 && $0.value != 0x7F })
        let fields = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(
            fields == ["level": "warn", "msg": "m\(hostile)", "time": "now", "k\(hostile)": "v\(hostile)"])
    }

    @Test func eventsAndConditionsEscapeWhatDoesNotShow() {
        let shown = #"a\u{1B}[2J\n\u{7F}\u{009B}\u{2028}\u{202E}\u{200B}z"#
        let object = ObjectMeta(name: "db", namespace: "payments")
        #expect(EventRecord(.warning, "Forbidden", hostile, about: object).message == shown)
        let status = StatusUpdate(object: object, previous: nil, now: "now").failed(
            .forbidden, message: hostile)
        #expect(status.condition(.ready)?.message == shown)
    }

    @Test func textEscapesWhatDoesNotShow() {
        let line = line(.text)
        let shown = #"a\u{1B}[2J\n\u{7F}\u{009B}\u{2028}\u{202E}\u{200B}z"#
        #expect(line == "now WARNING m\(shown) k\(shown)=v\(shown)")
    }
}
