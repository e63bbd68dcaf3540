import Testing

@testable import Metrics

@Suite struct TallyTests {
    @Test func countsAnItemThatChangesItsKind() {
        var tally = Tally<String>()
        tally.replace(nil, by: "a")
        tally.replace(nil, by: "a")
        tally.replace("a", by: "b")
        #expect(tally.counts == ["a": 1, "b": 1])
        tally.replace("a", by: "a")
        tally.replace("b", by: nil)
        tally.replace(nil, by: nil)
        #expect(tally.counts == ["a": 1])
    }

    @Test func keepsNoKindWithoutItems() {
        var tally = Tally<String>()
        tally.replace("never counted", by: nil)
        #expect(tally.counts.isEmpty)
    }

    @Test func returnsTheLargestCountsAndTheSumOfTheOthers() {
        let counts = ["a": 3, "b": 9, "c": 3, "d": 1, "e": 3]
        let (largest, others) = counts.largestCounts(3, <)
        #expect(largest.map(\.kind) == ["b", "a", "c"])
        #expect(largest.map(\.count) == [9, 3, 3])
        #expect(others == 4)
    }

    @Test func returnsAllCountsBelowTheLimit() {
        let (largest, others) = ["a": 1, "b": 2].largestCounts(3, <)
        #expect(largest.map(\.kind) == ["b", "a"])
        #expect(others == 0)
    }
}
