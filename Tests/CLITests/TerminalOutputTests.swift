import KubeClient
import Resources
import Testing

@testable import CLI

struct TerminalOutputTests {
    private static let terminal = TerminalCapabilities(isTerminal: true, term: "xterm", noColor: nil)
    private static let pipe = TerminalCapabilities(isTerminal: false, term: nil, noColor: nil)

    @Test func detectsColoursOfATerminal() {
        #expect(Self.terminal.hasColours)
        #expect(Self.terminal.canMoveCursor)
        #expect(TerminalCapabilities(isTerminal: true, term: "xterm", noColor: "").hasColours)
        let noColor = TerminalCapabilities(isTerminal: true, term: "xterm", noColor: "0")
        #expect(!noColor.hasColours)
        #expect(noColor.canMoveCursor)
        for display in [
            TerminalCapabilities(isTerminal: true, term: "dumb", noColor: nil),
            TerminalCapabilities(isTerminal: true, term: nil, noColor: nil),
            TerminalCapabilities(isTerminal: false, term: "xterm", noColor: nil), Self.pipe,
        ] {
            #expect(!display.hasColours)
            #expect(!display.canMoveCursor)
        }
    }

    @Test func cutsALineToTheTerminalWidth() {
        let line = "4200 of 10000"
        #expect(line.fitting(columns: line.count + 1) == line)
        #expect(line.fitting(columns: line.count) == "4200 of 1000")
        #expect(line.fitting(columns: 5) == "4200")
        #expect(line.fitting(columns: 1) == "")
        // The width is unknown.
        #expect(line.fitting(columns: 0) == line)
        #expect(line.fitting(columns: nil) == line)
    }

    @Test func escapesSequencesInTheText() {
        let text = StyledText("a\u{1B}[2J", .red) + StyledText(" b")
        #expect(text.rendered(for: Self.terminal) == "\u{1B}[31ma\\u{1B}[2J\u{1B}[0m b")
        #expect(text.rendered(for: Self.pipe) == "a\\u{1B}[2J b")
        #expect(StyledText("", .red).rendered(for: Self.terminal) == "")
    }

    @Test(arguments: [
        ("+ user", 32), ("    - recipient x", 31), ("  ~ type: a -> b", 33), ("  WrappedSecret a/+ b", 0),
        ("-x.yaml:1:1: Secret a/b", 0), ("= encrypted again", 0),
    ])
    func coloursChanges(line: String, number: Int) {
        let expected = number == 0 ? line : "\u{1B}[\(number)m\(line)\u{1B}[0m"
        #expect(StyledText(change: line).rendered(for: Self.terminal) == expected)
    }

    @Test(arguments: [
        ("+a: b", 32), ("-a: b", 31), ("@@ -1,2 +1,2 @@", 36), (" - in both", 0), (" a", 0), ("", 0),
        (#"\ No newline at end of file"#, 0),
    ])
    func coloursADiffAsGitDoes(line: String, number: Int) {
        let expected = number == 0 ? line : "\u{1B}[\(number)m\(line)\u{1B}[0m"
        #expect(StyledText(diff: line).rendered(for: Self.terminal) == expected)
    }

    @Test(arguments: [(true, "\u{1B}[32mTrue\u{1B}[0m "), (false, "\u{1B}[31mFalse\u{1B}[0m ")])
    func coloursTheReadyColumn(isReady: Bool, cell: String) {
        var status = WrappedSecretStatus()
        status.conditions = [
            Condition(
                .ready, isReady, observedGeneration: 1, lastTransitionTime: "", reason: "R", message: "")
        ]
        let summaries = [
            WrappedSecretSummary(
                .malformed(ObjectMeta(name: "x", namespace: "n"), status: status, problem: "p"))
        ]
        let line = WrappedSecretSummary.table(summaries, isWide: false).styledLines[1].rendered(
            for: Self.terminal)
        #expect(line.contains(cell), "\(line)")
        #expect(line.contains("\u{1B}[31mMalformed\u{1B}[0m"), "\(line)")
    }

    @Test func alignsColouredCells() {
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

struct ProgressMeterTests {
    @Test func showsRateAndRemainingTime() {
        let start = ContinuousClock.now
        var meter = ProgressMeter(total: 10_000, now: start)
        #expect(meter.line(now: start) == "0 of 10000 (0%)")
        meter.advance(by: 4_000)
        #expect(meter.line(now: start + .milliseconds(50)) == nil)
        #expect(meter.line(now: start + .seconds(4)) == "4000 of 10000 (40%)  1000/s  6 s left")
        #expect(meter.line(now: start + .seconds(1000)) == "4000 of 10000 (40%)  4.0/s  25 min 0 s left")
    }

    /// The total comes from the API server.
    @Test(arguments: [Int.max, Int.max - 1, Int.min, -1, 0]) func acceptsAnyTotal(total: Int) {
        let start = ContinuousClock.now
        var meter = ProgressMeter(total: nil, now: start)
        meter.setTotal(total)
        meter.advance(by: 1)
        #expect(meter.line(now: start + .seconds(1000))?.hasPrefix("1 of ") == true)
    }

    @Test func acceptsAnUnknownAndAChangedTotal() {
        let start = ContinuousClock.now
        var meter = ProgressMeter(total: nil, now: start)
        #expect(meter.line(now: start) == "0")
        meter.advance(by: 200)
        #expect(meter.line(now: start + .seconds(2)) == "200  100/s")
        meter.setTotal(400)
        #expect(meter.line(now: start + .seconds(4)) == "200 of 400 (50%)  50/s  4 s left")
        // More objects arrived than the server had counted.
        meter.advance(by: 300)
        #expect(meter.line(now: start + .seconds(5)) == "500 of 400 (100%)  100/s  0 s left")
    }

    @Test func formatsDurations() {
        #expect(ProgressMeter.formatDuration(99) == "99 s")
        #expect(ProgressMeter.formatDuration(100) == "1 min 40 s")
        #expect(ProgressMeter.formatDuration(7_260) == "2 h 1 min")
    }
}

struct RepeatedProblemsTests {
    @Test func showsAFewEqualProblemsInFull() {
        let problems = ["a.yaml:1:1: no key", "b.yaml:1:1: no key", "c.yaml: no key", "d.yaml: other"]
        #expect(
            RepeatedProblems.lines(problems) == [
                "a.yaml:1:1: no key", "d.yaml: other", "b.yaml:1:1: no key", "c.yaml: no key",
            ])
    }

    @Test func countsManyEqualProblems() {
        let problems = (0..<30_000).map { "f\($0).yaml:1:1: no key: say which" }
        #expect(
            RepeatedProblems.lines(["x.yaml: other"] + problems + ["no place"]) == [
                "x.yaml: other", "f0.yaml:1:1: no key: say which", "no place",
                "29999 more have the same problem as f0.yaml:1:1: f1.yaml:1:1, f2.yaml:1:1, f3.yaml:1:1, ...",
            ])
    }

    @Test func showsTheFirstProblemAtOnceAndSummarisesTheOthers() {
        var repeated = RepeatedProblems()
        #expect(repeated.add(place: "a", "no key") == "a: no key")
        for place in ["b", "c", "d", "e"] { #expect(repeated.add(place: place, "no key") == nil) }
        #expect(repeated.add(place: "f", "other") == "f: other")
        #expect(repeated.finish() == ["4 more have the same problem as a: b, c, d, ..."])
        #expect(repeated.finish() == [])
    }
}
