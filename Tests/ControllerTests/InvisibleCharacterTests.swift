import KubeClient
import Resources
import Testing

@testable import Controller

struct InvisibleCharacterTests {
    @Test func escapesThemInEventsAndConditions() {
        let hostile = "a\u{1B}[2J\n\u{7F}\u{9B}\u{2028}\u{202E}\u{200B}z"
        let escaped = #"a\u{1B}[2J\n\u{7F}\u{009B}\u{2028}\u{202E}\u{200B}z"#
        let object = ObjectMeta(name: "db", namespace: "payments")
        #expect(EventRecord(.warning, "Forbidden", hostile, about: object).message == escaped)
        let status = StatusUpdate(object: object, previous: nil, now: "now").failed(
            .forbidden, message: hostile)
        #expect(status.condition(.ready)?.message == escaped)
    }
}
