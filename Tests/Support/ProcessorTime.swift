import Foundation

/// Compares the processor time of pieces of work, which other processes disturb less than the time that passes.
package enum ProcessorTime {
    /// Returns how many times as much processor time one piece of work takes as another one. Repeats both a few times, and
    /// takes the least disturbed runs, until the ratio is below `limit`.
    package static func ratio(of many: () -> Void, to few: () -> Void, below limit: Double) -> Double {
        var ratio = Double.infinity
        for _ in 0..<3 where ratio >= limit {
            ratio = min(ratio, leastTime(many) / leastTime(few))
        }
        return ratio
    }

    private static func leastTime(_ work: () -> Void) -> Double {
        (0..<3).map { _ in time(of: work) }.min() ?? .infinity
    }

    private static func time(of work: () -> Void) -> Double {
        let start = now()
        work()
        return now() - start
    }

    /// The processor time of this thread in seconds.
    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
