import Testing

@testable import Controller

@Suite struct DriftThrottleTests {
    private let start = ContinuousClock.now
    private var throttle = DriftThrottle()

    /// Repairs drift at a time in seconds, unless the throttle delays that.
    ///
    /// - Returns: whether it was repaired.
    private mutating func repair(_ seconds: Double) -> Bool {
        guard delay(seconds) == nil else { return false }
        throttle.recordRepair(now: start + .seconds(seconds))
        return true
    }

    private mutating func delay(_ seconds: Double) -> Duration? {
        throttle.delayBeforeRepair(now: start + .seconds(seconds))
    }

    @Test mutating func repairsSingleEditsAtOnce() {
        for edit in 0..<200 {
            let isRepaired = repair(Double(edit) * 10)
            #expect(isRepaired)
        }
    }

    /// Another writer reverts our changes ten times a second, for an hour.
    @Test mutating func repairsEverMoreRarelyWhatAnotherWriterKeepsReverting() {
        var repairs: [Double] = []
        for tick in 0..<36_000 {
            let now = Double(tick) / 10
            if repair(now) { repairs.append(now) }
        }
        let limit = DriftThrottle.maximumRepairs
        #expect(repairs.prefix(limit).allSatisfy { $0 < 2 })
        #expect((20...40).contains(repairs.count), "\(repairs.count) repairs in an hour")
        let gaps = zip(repairs.dropFirst(limit - 1), repairs.dropFirst(limit)).map { $1 - $0 }
        #expect(
            zip(gaps, gaps.dropFirst()).allSatisfy { $1 > $0 - 1 }, "no gap is shorter than the one before")
        #expect(gaps.last ?? 0 >= 300)
    }

    @Test mutating func startsOverAfterATimeWithoutDrift() {
        for tick in 0..<100 { _ = repair(Double(tick) / 10) }
        let delay = delay(11)
        #expect(delay != nil)
        for second in 1000..<1011 {
            let isRepaired = repair(Double(second))
            #expect(isRepaired)
        }
    }

    /// While the KMS is unavailable, drift is seen again and again and never repaired.
    @Test mutating func doesNotCountDriftThatWasNotRepaired() {
        for tick in 0..<1000 {
            let delay = delay(Double(tick) / 10)
            #expect(delay == nil)
        }
    }
}
