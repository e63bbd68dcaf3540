import Foundation
import Testing

@testable import KMS

struct AWSClockSkewTests {
    private let now = Date(timeIntervalSince1970: 784_111_777)
    private let same = "Sun, 06 Nov 1994 08:49:37 GMT"
    private let hourAhead = "Sun, 06 Nov 1994 09:49:37 GMT"
    private let hourBehind = "Sun, 06 Nov 1994 07:49:37 GMT"
    private let minuteAhead = "Sun, 06 Nov 1994 08:50:37 GMT"

    @Test func takesTheOffsetFromTheResponseDate() {
        var skew = AWSClockSkew()
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: hourAhead, now: now) == true)
        #expect(skew.offset == 3600)
        // The skew is already corrected, so it is not the cause.
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: hourAhead, now: now) == false)
        #expect(
            skew.update(from: .signatureMismatch, used: skew.offset, date: hourAhead, now: now + 5) == false)
        // The machine's clock was set in the meantime.
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: hourAhead, now: now + 3600) == true)
        #expect(skew.offset == 0)
        #expect(skew.update(from: .signatureMismatch, used: skew.offset, date: hourBehind, now: now) == true)
        #expect(skew.offset == -3600)
    }

    @Test func retriesRequestsThatWereSignedBeforeTheCorrection() {
        var skew = AWSClockSkew()
        for _ in 0..<3 {
            #expect(skew.update(from: .signatureMismatch, used: 0, date: hourAhead, now: now) == true)
            #expect(skew.offset == 3600)
        }
        #expect(skew.update(from: .signatureMismatch, used: 3600, date: hourAhead, now: now) == false)
    }

    @Test func correctsASignatureMismatchOnlyForALargeSkew() {
        var skew = AWSClockSkew()
        #expect(skew.update(from: .signatureMismatch, used: skew.offset, date: same, now: now) == false)
        #expect(
            skew.update(from: .signatureMismatch, used: skew.offset, date: minuteAhead, now: now) == false)
        #expect(skew.offset == 0)
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: minuteAhead, now: now) == true)
        #expect(skew.offset == 60)
    }

    @Test(arguments: AWSErrorCategory.allCases.filter { $0 != .clockSkew && $0 != .signatureMismatch })
    func ignoresOtherErrors(kind: AWSErrorCategory) {
        var skew = AWSClockSkew()
        #expect(skew.update(from: kind, used: skew.offset, date: hourAhead, now: now) == false)
        #expect(skew.offset == 0)
    }

    @Test(arguments: [nil, "", "3600", "yesterday", "Sun, 06 Nov 1994 08:49:37 CET"])
    func ignoresResponsesWithoutAValidDate(date: String?) {
        var skew = AWSClockSkew()
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: date, now: now) == false)
    }
}

struct AWSAdaptiveRateTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// Returns the number of requests that are granted in this time.
    private func sent(_ rate: inout AWSAdaptiveRate, from: Double, for seconds: Double, step: Double = 0.001)
        -> Int
    {
        var count = 0
        for tick in 0..<Int(seconds / step) {
            let now = at(from + Double(tick) * step)
            while case .granted = rate.reserve(now: now, timeout: .microseconds(1)) { count += 1 }
        }
        return count
    }

    @Test func neverExceedsTheLimit() {
        var rate = AWSAdaptiveRate(maximum: 100, now: start)
        // The first second includes a burst.
        #expect((100...126).contains(sent(&rate, from: 0, for: 1)))
        #expect((995...1005).contains(sent(&rate, from: 1, for: 10)))
        // The burst of an idle limiter is a quarter of a second.
        #expect((123...127).contains(sent(&rate, from: 100, for: 1)))
    }

    @Test func laterRequestsWaitLonger() {
        var rate = AWSAdaptiveRate(maximum: 4, now: start)
        var waits: [Duration] = []
        for _ in 0..<5 {
            guard case .granted(let wait) = rate.reserve(now: start, timeout: .seconds(10)) else { continue }
            waits.append(wait)
        }
        #expect(waits == [.zero, .zero, .milliseconds(250), .milliseconds(500), .milliseconds(750)])
        // A rejected request does not delay the next one.
        #expect(rate.reserve(now: start, timeout: .seconds(1)) == .rejected(wait: .seconds(1)))
        #expect(rate.reserve(now: start, timeout: .seconds(1.1)) == .granted(after: .seconds(1)))
    }

    @Test func throttlingHalvesTheSentRate() {
        var rate = AWSAdaptiveRate(maximum: 1000, now: start)
        for tick in 0..<100 { _ = rate.reserve(now: at(Double(tick) * 0.025), timeout: .seconds(1)) }
        rate.recordThrottling(now: at(2.5))
        #expect(rate.rate == 20)
        #expect(sent(&rate, from: 2.5, for: 1) <= 22)
    }

    @Test func concurrentThrottlingHalvesOnce() {
        var rate = AWSAdaptiveRate(maximum: 100, now: start)
        _ = sent(&rate, from: 0, for: 2)
        for _ in 0..<50 { rate.recordThrottling(now: at(2)) }
        for _ in 0..<50 { rate.recordThrottling(now: at(2.9)) }
        #expect((45...63).contains(rate.rate))
        let before = rate.rate
        _ = sent(&rate, from: 2, for: 1.5)
        rate.recordThrottling(now: at(3.5))
        #expect(rate.rate < before * 0.7)
    }

    @Test func recoversFromTheMinimumRate() {
        var rate = AWSAdaptiveRate(maximum: 1000, now: start)
        for second in 0..<100 { rate.recordThrottling(now: at(Double(second) * 2)) }
        // The rate recovers between throttled responses, and falls back to the minimum.
        #expect(rate.rate <= 2.2)
        #expect(rate.rate >= AWSAdaptiveRate.minimumRate)
        #expect(sent(&rate, from: 199, for: 3) >= 3)
        var seconds = 0.0
        while rate.rate < 1000, seconds < 100 {
            seconds += 1
            _ = rate.reserve(now: at(200 + seconds), timeout: .seconds(10))
        }
        #expect(rate.rate == 1000)
        #expect((20...40).contains(seconds))
        _ = rate.reserve(now: at(1_000_000), timeout: .seconds(1))
        #expect(rate.rate == 1000)
    }
}
