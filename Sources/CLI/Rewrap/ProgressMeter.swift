/// How far a long piece of work is, for a line on a terminal. Pure: instants come in.
package struct ProgressMeter: Sendable {
    /// nil: nobody knows, as where the server does not count.
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

    /// What is known of the whole now: objects come and go while they are listed.
    package mutating func setTotal(_ total: Int) { self.total = total }

    /// The line, if it is time for another one: `4200 of 10000 (42%)  1310/s  5 s left`; where the whole is not known,
    /// `4200  1310/s`.
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
        // The whole is what the server says: a number that is beyond reason is not told.
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
