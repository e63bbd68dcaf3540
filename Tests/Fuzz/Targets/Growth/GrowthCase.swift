import Foundation

/// Inputs of one shape that double up to a limit. The processor time and the memory may double with them, and not more.
struct GrowthCase: Sendable {
    let target: String
    let name: String
    /// The largest input in bytes: the limit of the parser, or what takes a second.
    let maximum: Int
    /// Returns an input of about this many bytes.
    let input: @Sendable (Int) -> [UInt8]

    struct Measurement: Sendable {
        struct Point {
            let bytes: Int
            /// The processor time.
            var seconds: Double
            /// The memory in bytes that the process had in addition.
            var memory = 0
        }

        var points: [Point] = []

        /// The largest factor by which the time of a doubled input grows. Nil if the times are too short.
        var factor: Double? { largestFactor(of: \.seconds, above: 0.005) }

        /// The largest factor by which the memory of a doubled input grows. Nil if there is too little: the allocator keeps some.
        var memoryFactor: Double? { largestFactor(of: { Double($0.memory) }, above: Double(16 << 20)) }

        /// The average over two doublings that follow each other: one alone contains the noise of two measurements.
        private func largestFactor(of value: (Point) -> Double, above minimum: Double) -> Double? {
            zip(points, points.dropFirst(2)).filter { value($0.0) > minimum }.map { first, third in
                let doublings = log2(Double(third.bytes) / Double(first.bytes))
                return pow(value(third) / value(first), 1 / doublings)
            }.max()
        }

        /// The memory of the largest input for each of its bytes. Nil if it is too little to tell.
        var memoryPerByte: Int? {
            points.last.flatMap { $0.memory > 16 << 20 ? $0.memory / max($0.bytes, 1) : nil }
        }

        /// Two for what is linear, four for what is quadratic. In between is room for noise, and for memory that no longer fits
        /// into the caches.
        var isAtMostLinear: Bool { max(factor ?? 0, memoryFactor ?? 0) <= 2.83 }

        /// The memory is that of nodes of short scalars, and of the same again in another form.
        var isOfModerateMemory: Bool { memoryPerByte ?? 0 <= 512 }

        /// Takes the lower values of each size.
        mutating func keepLowest(of other: Measurement) {
            points = zip(points, other.points).map {
                Point(
                    bytes: $0.bytes, seconds: min($0.seconds, $1.seconds), memory: min($0.memory, $1.memory))
            }
        }

        var description: String {
            let last = points.last ?? Point(bytes: 0, seconds: 0)
            let factor = factor.map { String(format: "at most %.1f times", $0) } ?? "too short to tell"
            var text = String(format: "%d bytes in %.3f s; doubled: ", last.bytes, last.seconds) + factor
            if let memoryPerByte {
                text += "; \(memoryPerByte) bytes of memory for each byte"
                if let memoryFactor { text += String(format: ", doubled: at most %.1f times", memoryFactor) }
            }
            return text
        }
    }

    /// Measures up to three times until the growth is linear: other programs take the caches of a busy machine.
    ///
    /// - Parameter maximum: A smaller limit, for a build that is not optimized.
    func measure(upTo maximum: Int = .max) async throws -> Measurement {
        var measurement = try await measureOnce(upTo: maximum)
        for _ in 0..<2 where !measurement.isAtMostLinear {
            measurement.keepLowest(of: try await measureOnce(upTo: maximum))
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
            let memory = PeakMemory.begin()
            // The shortest of three, because the machine may be busy. One is enough if it takes long.
            for _ in 0..<3 {
                let start = Self.processorTime()
                try await target.run(input)
                shortest = min(shortest, Self.processorTime() - start)
                if shortest > 1 { break }
            }
            measurement.points.append(
                Measurement.Point(
                    bytes: input.count, seconds: shortest, memory: memory.map(PeakMemory.added) ?? 0))
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

/// The peak of the resident memory of this process, which Linux can forget (proc_pid_clear_refs(5)). The address sanitizer holds
/// released memory back, so that the peak of a small input may hide in it.
private enum PeakMemory {
    /// Forgets the peak, and returns the present memory in bytes. Nil if the system cannot.
    static func begin() -> Int? {
        guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs"),
            (try? file.write(contentsOf: Data("5".utf8))) != nil
        else { return nil }
        return resident("VmHWM:")
    }

    /// Returns the peak in addition to the memory at the beginning.
    static func added(_ beginning: Int) -> Int { max((resident("VmHWM:") ?? 0) - beginning, 0) }

    private static func resident(_ field: String) -> Int? {
        let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix(field) }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map {
            $0 << 10
        }
    }
}
