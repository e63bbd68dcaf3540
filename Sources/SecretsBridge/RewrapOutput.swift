import CLI
import System

/// What `rewrap` tells while it works: rows on standard output, failures and progress on standard error.
final class RewrapOutput: Sendable {
    private struct State {
        var counts = RewrapCounts()
        var foreign: Set<String> = []
        var listed: Set<String> = []
        var failures = RepeatedProblems()
    }

    private let isQuiet: Bool
    private let verb: String
    let progress: ProgressLine
    private let state: Locked<State>

    /// `total`: what `advance` will have been told in the end; nil: nobody knows yet.
    init(total: Int?, isQuiet: Bool, isDryRun: Bool) {
        self.isQuiet = isQuiet
        verb = isDryRun ? "to move" : "moved"
        progress = ProgressLine(total: total)
        state = Locked(State())
    }

    var counts: RewrapCounts { state.withLock { $0.counts } }

    func report(_ rows: [RewrapResult], advance: Int = 1) {
        state.withLock { state in
            var sayings: [() -> Void] = []
            for row in rows {
                state.counts.add(row)
                state.foreign.formUnion(row.unconfiguredKeyIDs)
                state.listed.formUnion(row.previousKeyIDs)
                switch row.outcome {
                case .changed(let how) where !isQuiet:
                    sayings.append { Console.writeLine("\(row.location): \(how)") }
                case .failed(let why):
                    // Errors of a document have its place, and not its name.
                    let place = row.location.split(separator: ": ").first ?? ""
                    let line =
                        row.isUnreadableFile || why.hasPrefix("\(place): ")
                        ? state.failures.add(why) : state.failures.add(place: row.location, why)
                    if let line { sayings.append { Console.error(line) } }
                default: break
                }
            }
            if !sayings.isEmpty { progress.printAbove { sayings.forEach { $0() } } }
            progress.advance(by: advance)
        }
    }

    /// `problems`: of paths. `removed`: keys that were to be removed; which of them no row listed is told.
    func finish(_ problems: [InputError], removed: [KeySelector]) {
        let (counts, foreign, listed, failures) = state.withLock { state in
            (state.counts, state.foreign, state.listed, state.failures.finish())
        }
        progress.finish()
        failures.forEach(Console.error)
        Console.errors(problems.map(\.description))
        for key in removed where !listed.contains(where: { key.matches(keyID: $0) }) {
            Console.note("no row lists \(key)")
        }
        for keyID in foreign.sorted() {
            Console.note("recipients of \(keyID), which is not configured here, were left as they are")
        }
        // Of nothing there is nothing to sum up.
        guard counts.total > 0 || (problems.isEmpty && counts.unreadableFiles == 0) else { return }
        var summary =
            "\(pluralized(counts.total, "WrappedSecret")): \(counts.changed) \(verb), \(counts.current) current"
        if counts.failed > 0 { summary += ", \(counts.failed) failed" }
        if counts.interrupted > 0 { summary += ", \(counts.interrupted) not done" }
        if counts.unreadableFiles > 0 {
            summary += "; \(pluralized(counts.unreadableFiles, "file")) not read"
        }
        Console.writeLine(summary)
    }
}
