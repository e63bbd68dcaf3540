import Foundation

/// Inputs of one shape that double up to a limit. The processor time may double with them, and not more.
struct GrowthCase: Sendable {
    let target: String
    let name: String
    /// The largest input in bytes: the limit of the parser, or what takes a second.
    let maximum: Int
    /// Returns an input of about this many bytes.
    let input: @Sendable (Int) -> [UInt8]

    struct Measurement: Sendable {
        /// The sizes and the processor times in seconds.
        var points: [(bytes: Int, seconds: Double)] = []

        /// The largest factor of a doubling, on average over two that follow each other: one alone contains the noise of two
        /// measurements. Nil if the times are too short.
        var factor: Double? {
            zip(points, points.dropFirst(2)).filter { $0.0.seconds > 0.005 }.map { first, third in
                let doublings = log2(Double(third.bytes) / Double(first.bytes))
                return pow(third.seconds / first.seconds, 1 / doublings)
            }.max()
        }

        /// Two for what is linear, four for what is quadratic. In between is room for noise, and for memory that no longer fits
        /// into the caches.
        var isAtMostLinear: Bool { factor ?? 0 <= 2.83 }

        /// Takes the shorter time of each size.
        mutating func keepShortest(of other: Measurement) {
            points = zip(points, other.points).map { ($0.bytes, min($0.seconds, $1.seconds)) }
        }

        var description: String {
            let last = points.last ?? (0, 0)
            let factor = factor.map { String(format: "at most %.1f times", $0) } ?? "too short to tell"
            return String(format: "%d bytes in %.3f s; doubled: ", last.bytes, last.seconds) + factor
        }
    }

    /// Measures up to three times until the growth is linear: other programs take the caches of a busy machine.
    ///
    /// - Parameter maximum: A smaller limit, for a build that is not optimized.
    func measure(upTo maximum: Int = .max) async throws -> Measurement {
        var measurement = try await measureOnce(upTo: maximum)
        for _ in 0..<2 where !measurement.isAtMostLinear {
            measurement.keepShortest(of: try await measureOnce(upTo: maximum))
        }
        return measurement
    }

    private func measureOnce(upTo maximum: Int) async throws -> Measurement {
        guard let target = FuzzTarget.all.first(where: { $0.name == target }) else {
            throw PropertyViolation(description: "there is no target \(target)")
        }
        var measurement = Measurement()
        var size = 4096
        while size <= min(self.maximum, maximum) {
            let input = input(size)
            var shortest = Double.infinity
            // The shortest of three, because the machine may be busy. One is enough if it takes long.
            for _ in 0..<3 {
                let start = Self.processorTime()
                try await target.run(input)
                shortest = min(shortest, Self.processorTime() - start)
                if shortest > 1 { break }
            }
            measurement.points.append((input.count, shortest))
            if shortest > 4 { break }
            size *= 2
        }
        return measurement
    }

    /// The processor time of all threads in seconds.
    private static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
