import KubeClient
import Resources
import Testing

@testable import CLI

struct TerminalOutputTests {
    private static let terminal = TerminalCapabilities(isTerminal: true, term: "xterm", noColor: nil)
    private static let pipe = TerminalCapabilities(isTerminal: false, term: nil, noColor: nil)

    @Test func aTerminalHasColoursUnlessToldOtherwise() {
        #expect(Self.terminal.hasColours && Self.terminal.canMoveCursor)
        #expect(TerminalCapabilities(isTerminal: true, term: "xterm", noColor: "").hasColours)
        let noColor = TerminalCapabilities(isTerminal: true, term: "xterm", noColor: "0")
        #expect(!noColor.hasColours && noColor.canMoveCursor)
        for display in [
            TerminalCapabilities(isTerminal: true, term: "dumb", noColor: nil),
            TerminalCapabilities(isTerminal: true, term: nil, noColor: nil),
            TerminalCapabilities(isTerminal: false, term: "xterm", noColor: nil), Self.pipe,
        ] { #expect(!display.hasColours && !display.canMoveCursor) }
    }

    @Test func aLineIsCutForTheTerminal() {
        let line = "4200 of 10000"
        #expect(line.fitting(columns: line.count + 1) == line)
        #expect(line.fitting(columns: line.count) == "4200 of 1000")
        #expect(line.fitting(columns: 5) == "4200" && line.fitting(columns: 1) == "")
        // Not known.
        #expect(line.fitting(columns: 0) == line && line.fitting(columns: nil) == line)
    }

    @Test func onlyColoursAreEscapes() {
        let text = StyledText("a\u{1B}[2J", .red) + StyledText(" b")
        #expect(text.rendered(for: Self.terminal) == "\u{1B}[31ma\\u{1B}[2J\u{1B}[0m b")
        #expect(text.rendered(for: Self.pipe) == "a\\u{1B}[2J b")
        #expect(StyledText("", .red).rendered(for: Self.terminal) == "")
    }

    @Test(arguments: [
        ("+ user", 32), ("    - recipient x", 31), ("  ~ type: a -> b", 33), ("  WrappedSecret a/+ b", 0),
        ("-x.yaml:1:1: Secret a/b", 0), ("= wrapped anew", 0),
    ])
    func changesHaveTheirColours(line: String, number: Int) {
        let expected = number == 0 ? line : "\u{1B}[\(number)m\(line)\u{1B}[0m"
        #expect(StyledText(change: line).rendered(for: Self.terminal) == expected)
    }

    @Test(arguments: [
        ("+a: b", 32), ("-a: b", 31), ("@@ -1,2 +1,2 @@", 36), (" - in both", 0), (" a", 0), ("", 0),
        (#"\ No newline at end of file"#, 0),
    ])
    func aDiffHasTheColoursOfGit(line: String, number: Int) {
        let expected = number == 0 ? line : "\u{1B}[\(number)m\(line)\u{1B}[0m"
        #expect(StyledText(diff: line).rendered(for: Self.terminal) == expected)
    }

    @Test(arguments: [(true, "\u{1B}[32mTrue\u{1B}[0m "), (false, "\u{1B}[31mFalse\u{1B}[0m ")])
    func whetherARowIsReadyShows(isReady: Bool, cell: String) {
        var status = WrappedSecretStatus()
        status.conditions = [
            Condition(
                .ready, isReady, observedGeneration: 1, lastTransitionTime: "", reason: "R", message: "")
        ]
        let rows = [
            WrappedSecretSummary(
                .malformed(ObjectMeta(name: "x", namespace: "n"), status: status, problem: "p"))
        ]
        let line = WrappedSecretSummary.table(rows, isWide: false).styledLines[1].rendered(for: Self.terminal)
        #expect(line.contains(cell) && line.contains("\u{1B}[31mMalformed\u{1B}[0m"), "\(line)")
    }

    @Test func coloursTakeNoPlaceInATable() {
        var table = TextTable(["A", "READY", "C"])
        table.add(["a", "False", "x"], colours: [1: .red])
        table.add(["a", "Unknown", "y"])
        let lines = table.styledLines.map { $0.rendered(for: Self.terminal) }
        #expect(
            lines == [
                "A   READY     C", "a   \u{1B}[31mFalse\u{1B}[0m     x", "a   Unknown   y",
            ])
        #expect(table.lines[1] == "a   False     x")
    }
}
