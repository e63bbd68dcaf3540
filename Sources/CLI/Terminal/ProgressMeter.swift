/// Formats the progress of a long task as a line for a terminal. It has no clock: callers pass instants.
package struct ProgressMeter: Sendable {
    /// The number of items, or nil while it is unknown, as in a cluster that does not count them.
    private var total: Int?
    private let start: ContinuousClock.Instant
    private var done = 0
    private var shown: ContinuousClock.Instant?

    private static let interval = Duration.milliseconds(100)

    package init(total: Int?, now: ContinuousClock.Instant) {
        self.total = total
        start = now
    }

    package mutating func advance(by count: Int) { done += count }

    /// Sets the number of items, which may change while objects are listed.
    package mutating func setTotal(_ total: Int) { self.total = total }

    /// Returns a new line, at most ten a second: `4200 of 10000 (42%)  1310/s  5 s left`, or `4200  1310/s` without a
    /// total.
    package mutating func line(now: ContinuousClock.Instant) -> String? {
        if let shown, now - shown < Self.interval { return nil }
        shown = now
        let elapsed = (now - start) / Duration.seconds(1)
        var line = "\(done)"
        if let total {
            let percent = total > 0 ? min(done * 100 / total, 100) : 100
            line += " of \(total) (\(percent)%)"
        }
        guard elapsed > 0, done > 0 else { return line }
        let rate = Double(done) / elapsed
        line += rate >= 10 ? "  \(Int(rate))/s" : "  \(Int(rate * 10) / 10).\(Int(rate * 10) % 10)/s"
        // The total comes from the server. The time is omitted if it is out of range.
        let undone = total.map { $0 > done ? $0 - done : 0 }
        guard let undone, let left = Int(exactly: (Double(undone) / rate).rounded(.up)) else {
            return line
        }
        return line + "  \(Self.formatDuration(left)) left"
    }

    static func formatDuration(_ seconds: Int) -> String {
        switch seconds {
        case ..<100: "\(seconds) s"
        case ..<6000: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds / 60 % 60) min"
        }
    }
}
