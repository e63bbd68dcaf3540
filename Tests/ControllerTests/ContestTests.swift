import Testing

@testable import Controller

struct ContestTests {
    private let start = ContinuousClock.now
    /// Repairs at once if that is allowed. Whether it was.
    private func repair(_ contest: inout Contest, _ now: Double) -> Bool {
        guard contest.truce(now: at(now)) == nil else { return false }
        contest.repaired(now: at(now))
        return true
    }

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func mistakesAreCorrectedAtOnce() {
        var contest = Contest()
        for minute in 0..<200 { #expect(repair(&contest, Double(minute) * 10)) }
    }

    /// Somebody writes back ten times a second, for an hour.
    @Test func aFightIsAnsweredEverMoreRarely() {
        var contest = Contest()
        var repairs: [Double] = []
        for tick in 0..<36_000 {
            let now = Double(tick) / 10
            if repair(&contest, now) { repairs.append(now) }
        }
        #expect(repairs.prefix(Contest.limit).allSatisfy { $0 < 2 })
        #expect((20...40).contains(repairs.count), "\(repairs.count) repairs in an hour")
        let gaps = zip(repairs.dropFirst(Contest.limit - 1), repairs.dropFirst(Contest.limit)).map { $1 - $0 }
        #expect(
            zip(gaps, gaps.dropFirst()).allSatisfy { $1 > $0 - 1 }, "no gap is shorter than before")
        #expect(gaps.last ?? 0 >= 300)
    }

    @Test func peaceIsForgiving() {
        var contest = Contest()
        for tick in 0..<100 { _ = repair(&contest, Double(tick) / 10) }
        #expect(!repair(&contest, 11))
        #expect(repair(&contest, 1000))
        for tick in 0..<10 { #expect(repair(&contest, 1001 + Double(tick))) }
    }

    /// A KMS that is away is no rival.
    @Test func whatIsOnlyTriedIsNoFight() {
        var contest = Contest()
        for tick in 0..<1000 { #expect(contest.truce(now: at(Double(tick) / 10)) == nil) }
    }
}
