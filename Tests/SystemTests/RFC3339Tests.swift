import Foundation
import Testing

@testable import System

struct RFC3339Tests {
    @Test(arguments: [
        "2026-11-30T20:15:00Z", "2026-11-30T20:15:00.5Z", "2026-11-30T20:15:00.123456789Z",
        "2026-11-30T22:15:00+02:00",
    ]) func parses(text: String) throws {
        let date = try #require(RFC3339.date(text))
        #expect(abs(date.timeIntervalSince1970 - 1_796_069_700) < 1)
    }

    /// Foundation alone accepts some of them.
    @Test(arguments: [
        "", "Z", "202641-06-01T02:39:28Z", "202641-6-01T2:39:28Z", "2026-6-01T02:39:28Z",
        "2026-06-01T2:39:28Z",
        "2026-06-01T02:39:28", "2026-06-01 02:39:28Z", "2026-06-01T02:39:28.Z",
        "2026-06-01T02:39:28.1234567890Z",
        "2026-06-01T02:39:28Zx", "2026-06-01T02:39:28+2", "-026-06-01T02:39:28Z", "２026-06-01T02:39:28Z",
    ]) func rejects(text: String) {
        #expect(RFC3339.date(text) == nil)
    }
}
