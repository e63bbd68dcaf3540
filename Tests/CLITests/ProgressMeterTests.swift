import Testing

@testable import CLI

struct ProgressMeterTests {
    @Test func tellsRateAndTimeLeft() {
        let start = ContinuousClock.now
        var meter = ProgressMeter(total: 10_000, now: start)
        #expect(meter.line(now: start) == "0 of 10000 (0%)")
        meter.advance(by: 4_000)
        #expect(meter.line(now: start + .milliseconds(50)) == nil)
        #expect(meter.line(now: start + .seconds(4)) == "4000 of 10000 (40%)  1000/s  6 s left")
        #expect(meter.line(now: start + .seconds(1000)) == "4000 of 10000 (40%)  4.0/s  25 min 0 s left")
    }

    /// The server says how many there are.
    @Test(arguments: [Int.max, Int.max - 1, Int.min, -1, 0]) func anyWholeIsTaken(total: Int) {
        let start = ContinuousClock.now
        var meter = ProgressMeter(total: nil, now: start)
        meter.setTotal(total)
        meter.advance(by: 1)
        #expect(meter.line(now: start + .seconds(1000))?.hasPrefix("1 of ") == true)
    }

    @Test func theWholeMayBeUnknownAndMayChange() {
        let start = ContinuousClock.now
        var meter = ProgressMeter(total: nil, now: start)
        #expect(meter.line(now: start) == "0")
        meter.advance(by: 200)
        #expect(meter.line(now: start + .seconds(2)) == "200  100/s")
        meter.setTotal(400)
        #expect(meter.line(now: start + .seconds(4)) == "200 of 400 (50%)  50/s  4 s left")
        // More came than the server had counted.
        meter.advance(by: 300)
        #expect(meter.line(now: start + .seconds(5)) == "500 of 400 (100%)  100/s  0 s left")
    }

    @Test func timesAreForPeople() {
        #expect(ProgressMeter.formatDuration(99) == "99 s")
        #expect(ProgressMeter.formatDuration(100) == "1 min 40 s")
        #expect(ProgressMeter.formatDuration(7_260) == "2 h 1 min")
    }
}
