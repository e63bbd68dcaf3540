import Foundation

/// Runs a property test with many seeds. A violation names its seed, which `SB_TEST_SEED` replays alone; `SB_TEST_SEEDS` sets the
/// number of seeds of each property. The default is small, because debug builds are slow and other tests run at the same time.
package enum PropertyRun {
    /// Tries one seed after the other, and lets other tests run in between.
    ///
    /// - Parameters:
    ///   - count: The number of seeds, unless the environment sets one.
    ///   - run: Returns the violation of the property with this generator, or nil if there is none.
    /// - Returns: The first violation.
    package static func violation(
        seeds count: Int, _ run: (inout SeededGenerator) -> String?
    ) async -> String? {
        for seed in seeds(count) {
            var random = SeededGenerator(seed)
            if let violation = run(&random) { return "SB_TEST_SEED=\(seed): \(violation)" }
            await Task.yield()
        }
        return nil
    }

    private static func seeds(_ count: Int) -> Range<Int> {
        if let seed = setting("SB_TEST_SEED") { return seed..<seed + 1 }
        return 0..<max(setting("SB_TEST_SEEDS") ?? count, 1)
    }

    private static func setting(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }
}

extension SeededGenerator {
    package mutating func chance(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self) < probability
    }

    package mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }

    /// Returns milliseconds of this range.
    package mutating func milliseconds(_ range: Range<Int>) -> Duration { .milliseconds(number(range)) }
}
