/// How far a long piece of work is, for a line on a terminal. Pure: instants come in.
package struct ProgressMeter: Sendable {
    private let total: Int
    private let start: ContinuousClock.Instant
    private var done = 0
    private var shown: ContinuousClock.Instant?

    private static let interval = Duration.milliseconds(100)

    package init(total: Int, now: ContinuousClock.Instant) {
        self.total = total
        start = now
    }

    package mutating func advance(by count: Int) { done += count }

    /// The line, if it is time for another one: `4,200 of 10,000 (42%)  1310/s  4 s left`.
    package mutating func line(now: ContinuousClock.Instant) -> String? {
        if let shown, now - shown < Self.interval { return nil }
        shown = now
        let elapsed = (now - start) / Duration.seconds(1)
        let percent = total > 0 ? done * 100 / total : 100
        var line = "\(done) of \(total) (\(percent)%)"
        guard elapsed > 0, done > 0 else { return line }
        let rate = Double(done) / elapsed
        line += rate >= 10 ? "  \(Int(rate))/s" : "  \(Int(rate * 10) / 10).\(Int(rate * 10) % 10)/s"
        let left = Int((Double(total - done) / rate).rounded(.up))
        return line + "  \(Self.time(left)) left"
    }

    static func time(_ seconds: Int) -> String {
        switch seconds {
        case ..<100: "\(seconds) s"
        case ..<6000: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds / 60 % 60) min"
        }
    }
}
