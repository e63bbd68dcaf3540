import Testing

@testable import System

struct WarningsTests {
    @Test func reportsEachWarningOnceOnOneLine() {
        let reported = Locked<[String]>([])
        Warnings.setHandler { line in reported.withLock { $0.append(line) } }
        for _ in 0..<3 { Warnings.report("WarningsTests: a\nb") }
        Warnings.report("WarningsTests: c")
        let own = reported.withLock { $0.filter { $0.hasPrefix("WarningsTests") } }
        #expect(own == ["WarningsTests: a\\nb", "WarningsTests: c"])
    }
}
