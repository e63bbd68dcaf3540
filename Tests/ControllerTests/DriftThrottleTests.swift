import Testing

@testable import Controller

struct DriftThrottleTests {
    private let start = ContinuousClock.now
    /// Repairs at once if that is allowed. Whether it was.
    private func repair(_ contest: inout DriftThrottle, _ now: Double) -> Bool {
        guard contest.delayBeforeRepair(now: at(now)) == nil else { return false }
        contest.recordRepair(now: at(now))
        return true
    }

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func mistakesAreCorrectedAtOnce() {
        var contest = DriftThrottle()
        for minute in 0..<200 { #expect(repair(&contest, Double(minute) * 10)) }
    }

    /// Somebody writes back ten times a second, for an hour.
    @Test func aFightIsAnsweredEverMoreRarely() {
        var contest = DriftThrottle()
        var repairs: [Double] = []
        for tick in 0..<36_000 {
            let now = Double(tick) / 10
            if repair(&contest, now) { repairs.append(now) }
        }
        #expect(repairs.prefix(DriftThrottle.maximumRepairs).allSatisfy { $0 < 2 })
        #expect((20...40).contains(repairs.count), "\(repairs.count) repairs in an hour")
        let gaps = zip(
            repairs.dropFirst(DriftThrottle.maximumRepairs - 1),
            repairs.dropFirst(DriftThrottle.maximumRepairs)
        ).map { $1 - $0 }
        #expect(
            zip(gaps, gaps.dropFirst()).allSatisfy { $1 > $0 - 1 }, "no gap is shorter than before")
        #expect(gaps.last ?? 0 >= 300)
    }

    @Test func peaceIsForgiving() {
        var contest = DriftThrottle()
        for tick in 0..<100 { _ = repair(&contest, Double(tick) / 10) }
        #expect(!repair(&contest, 11))
        #expect(repair(&contest, 1000))
        for tick in 0..<10 { #expect(repair(&contest, 1001 + Double(tick))) }
    }

    /// A KMS that is away is no rival.
    @Test func whatIsOnlyTriedIsNoFight() {
        var contest = DriftThrottle()
        for tick in 0..<1000 { #expect(contest.delayBeforeRepair(now: at(Double(tick) / 10)) == nil) }
    }
}
