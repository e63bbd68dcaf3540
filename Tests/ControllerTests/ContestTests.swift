import Testing

@testable import Controller

struct ContestTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func mistakesAreCorrectedAtOnce() {
        var contest = Contest()
        for minute in 0..<200 { #expect(contest.repair(now: at(Double(minute) * 10)) == nil) }
    }

    /// Somebody writes back ten times a second, for an hour.
    @Test func aFightIsAnsweredEverMoreRarely() {
        var contest = Contest()
        var repairs: [Double] = []
        for tick in 0..<36_000 {
            let now = Double(tick) / 10
            if contest.repair(now: at(now)) == nil { repairs.append(now) }
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
        for tick in 0..<100 { _ = contest.repair(now: at(Double(tick) / 10)) }
        #expect(contest.repair(now: at(11)) != nil)
        #expect(contest.repair(now: at(1000)) == nil)
        for tick in 0..<10 { #expect(contest.repair(now: at(1001 + Double(tick))) == nil) }
    }
}
