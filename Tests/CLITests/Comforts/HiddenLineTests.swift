import Cryptography
import Testing

@testable import CLI

/// A value typed at a prompt that does not show it.
struct HiddenLineTests {
    /// Returns the last event and the line.
    private func type(_ keys: String) -> (event: HiddenLine.Event, line: String?) {
        var line = HiddenLine()
        var event = HiddenLine.Event.continuing
        for byte in keys.utf8 where event == .continuing { event = line.take(byte) }
        return (event, text(line.finish()))
    }

    @Test(arguments: [
        ("hunter2\r", "hunter2"), ("hunter2\n", "hunter2"), ("a\tb c\r", "a\tb c"),
        ("hunter3\u{7F}2\r", "hunter2"), ("x\u{8}y\r", "y"), ("aé\u{7F}b\r", "ab"), ("\u{7F}\u{7F}a\r", "a"),
        ("wrong\u{15}right\r", "right"), ("a\u{1B}[Db\r", "ab"), ("a\u{1B}OAb\r", "ab"),
        ("\u{1B}[200~pasted\u{1B}[201~\r", "pasted"), ("a\u{1B}\r", "a"), ("\r", ""), ("a\u{0}b\r", "ab"),
    ])
    func readsALine(keys: String, line: String) {
        let result = type(keys)
        #expect(result.event == .finished)
        #expect(result.line == line)
    }

    @Test func cancelsOnlyAnEmptyLine() {
        #expect(type("\u{4}").event == .cancelled)
        #expect(type("a\u{4}").event == .continuing)
    }

    @Test func reportsCtrlC() {
        #expect(type("abc\u{3}").event == .interrupted)
        #expect(type("abc\u{1B}\u{3}").event == .interrupted)
    }

    @Test func limitsTheLength() {
        let longest = String(repeating: "a", count: HiddenLine.maximumLength)
        #expect(type(longest + "\r").event == .finished)
        #expect(type(longest + "a").event == .tooLong)
    }
}
