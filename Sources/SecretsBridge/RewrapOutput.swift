import CLI
import System

/// The output of `rewrap`: changed WrappedSecrets on standard output, failures and progress on standard error.
final class RewrapOutput: Sendable {
    private struct State {
        var counts = RewrapCounts()
        /// The keys of recipients that were not changed, because the key is not configured.
        var unconfiguredKeyIDs: Set<String> = []
        /// The keys that the WrappedSecrets listed before any change.
        var listedKeyIDs: Set<String> = []
        /// The rules whose recipients the options override.
        var overriddenRules: Set<String> = []
        /// Shows the first of several equal failures at once, and holds the others back until `finish`.
        var failures = RepeatedProblems()
    }

    private let isQuiet: Bool
    private let verb: String
    let progress: ProgressLine
    private let state: Locked<State>

    /// - Parameter total: The number of steps (files, or in a cluster WrappedSecrets), or nil while it is unknown.
    init(total: Int?, isQuiet: Bool, isDryRun: Bool) {
        self.isQuiet = isQuiet
        verb = isDryRun ? "to move" : "moved"
        progress = ProgressLine(total: total)
        state = Locked(State())
    }

    var counts: RewrapCounts { state.withLock { $0.counts } }

    /// - Parameter advance: The number of steps that these results complete.
    func report(_ results: [RewrapResult], advance: Int = 1) {
        state.withLock { state in
            var messages: [() -> Void] = []
            for result in results {
                state.counts.add(result)
                state.unconfiguredKeyIDs.formUnion(result.unconfiguredKeyIDs)
                state.listedKeyIDs.formUnion(result.previousKeyIDs)
                if let rule = result.overriddenRule { state.overriddenRules.insert(rule) }
                switch result.outcome {
                case .changed(let change) where !isQuiet:
                    messages.append { Console.writeLine("\(result.location): \(change)") }
                case .failed(let reason):
                    // An error of a document already begins with its file and line.
                    let file = result.location.split(separator: ": ").first ?? ""
                    let line =
                        result.isUnreadableFile || reason.hasPrefix("\(file): ")
                        ? state.failures.add(reason) : state.failures.add(place: result.location, reason)
                    if let line { messages.append { Console.error(line) } }
                default: break
                }
                for violation in result.ruleViolations {
                    if let line = state.failures.add(place: result.location, violation) {
                        messages.append { Console.error(line) }
                    }
                }
            }
            if !messages.isEmpty { progress.printAbove { messages.forEach { $0() } } }
            progress.advance(by: advance)
        }
    }

    /// Prints the remaining failures and the summary.
    ///
    /// - Parameters:
    ///   - problems: The problems with the given paths, for example that no WrappedSecret was found.
    ///   - removed: The keys of --remove-recipient. A note reports those that no WrappedSecret lists.
    func finish(_ problems: [InputError], removed: [KeySelector]) {
        let (state, failures) = state.withLock { ($0, $0.failures.finish()) }
        let counts = state.counts
        progress.finish()
        failures.forEach(Console.error)
        Console.errors(problems.map(\.description))
        for key in removed where !state.listedKeyIDs.contains(where: { key.matches(keyID: $0) }) {
            Console.note("no WrappedSecret lists \(key)")
        }
        for rule in state.overriddenRules.sorted() {
            Console.note("the options override the recipients of \(rule)")
        }
        if !state.unconfiguredKeyIDs.isEmpty {
            let keys = state.unconfiguredKeyIDs.sorted().listed()
            Console.note("recipients of keys that are not configured were not changed: \(keys)")
        }
        // There is no summary if nothing was read.
        guard counts.total > 0 || (problems.isEmpty && counts.unreadableFiles == 0) else { return }
        var summary =
            "\(pluralized(counts.total, "WrappedSecret")): \(counts.changed) \(verb), \(counts.current) current"
        if counts.failed > 0 { summary += ", \(counts.failed) failed" }
        if counts.breakingRules > 0 { summary += ", \(counts.breakingRules) against their rules" }
        if counts.interrupted > 0 { summary += ", \(counts.interrupted) not done" }
        if counts.unreadableFiles > 0 {
            summary += "; \(pluralized(counts.unreadableFiles, "file")) not read"
        }
        Console.writeLine(summary)
    }
}
