import Foundation
import Testing

@testable import KMS

/// The clock's correction, the attempts of a call, the pace of all.
struct AWSClockSkewTests {
    private let now = Date(timeIntervalSince1970: 784_111_777)
    private let same = "Sun, 06 Nov 1994 08:49:37 GMT"
    private let hourAhead = "Sun, 06 Nov 1994 09:49:37 GMT"
    private let hourBehind = "Sun, 06 Nov 1994 07:49:37 GMT"
    private let minuteAhead = "Sun, 06 Nov 1994 08:50:37 GMT"

    @Test func learnsFromTheAnswersDate() {
        var skew = AWSClockSkew()
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: hourAhead, now: now) == true)
        #expect(skew.offset == 3600)
        // It was not that.
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: hourAhead, now: now) == false)
        #expect(
            skew.update(from: .signatureMismatch, used: skew.offset, date: hourAhead, now: now + 5) == false)
        // Somebody set the clock meanwhile.
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: hourAhead, now: now + 3600) == true)
        #expect(skew.offset == 0)
        #expect(skew.update(from: .signatureMismatch, used: skew.offset, date: hourBehind, now: now) == true)
        #expect(skew.offset == -3600)
    }

    /// The many that were signed before the first of them was answered.
    @Test func whatWasSignedBeforeIsWorthAnotherSignature() {
        var skew = AWSClockSkew()
        for _ in 0..<3 {
            #expect(skew.update(from: .signatureMismatch, used: 0, date: hourAhead, now: now) == true)
            #expect(skew.offset == 3600)
        }
        #expect(skew.update(from: .signatureMismatch, used: 3600, date: hourAhead, now: now) == false)
    }

    @Test func aWrongSignatureIsAClocksFaultOnlyWhereTheyAreFarApart() {
        var skew = AWSClockSkew()
        #expect(skew.update(from: .signatureMismatch, used: skew.offset, date: same, now: now) == false)
        #expect(
            skew.update(from: .signatureMismatch, used: skew.offset, date: minuteAhead, now: now) == false)
        #expect(skew.offset == 0)
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: minuteAhead, now: now) == true)
        #expect(skew.offset == 60)
    }

    @Test(arguments: AWSErrorCategory.allCases.filter { $0 != .clockSkew && $0 != .signatureMismatch })
    func otherErrorsTellNothing(kind: AWSErrorCategory) {
        var skew = AWSClockSkew()
        #expect(skew.update(from: kind, used: skew.offset, date: hourAhead, now: now) == false)
        #expect(skew.offset == 0)
    }

    @Test(arguments: [nil, "", "3600", "yesterday", "Sun, 06 Nov 1994 08:49:37 CET"])
    func withoutADateNothingIsLearned(date: String?) {
        var skew = AWSClockSkew()
        #expect(skew.update(from: .clockSkew, used: skew.offset, date: date, now: now) == false)
    }
}

struct AWSAttemptsTests {
    @Test func threeAttemptsWithGrowingPauses() {
        var budget = AWSRetryBudget()
        for _ in 0..<20 {
            budget = AWSRetryBudget()
            var attempts = AWSRetryState()
            for ceiling in [Duration.milliseconds(100), .milliseconds(200)] {
                guard
                    case .retry(let pause) = attempts.decide(after: .outage(retryAfter: nil), budget: &budget)
                else {
                    Issue.record("gave up")
                    return
                }
                #expect(pause <= ceiling)
            }
            #expect(attempts.decide(after: .outage(retryAfter: nil), budget: &budget) == .giveUp)
        }
        #expect(budget.available == AWSRetryBudget.capacity - 2 * AWSRetryBudget.retryCost)
    }

    @Test func theServersPauseHolds() {
        var budget = AWSRetryBudget()
        var attempts = AWSRetryState()
        #expect(
            attempts.decide(after: .throttled(retryAfter: .seconds(7)), budget: &budget)
                == .retry(after: .seconds(7)))
        #expect(
            attempts.decide(after: .outage(retryAfter: .seconds(3)), budget: &budget)
                == .retry(after: .seconds(3)))
    }

    @Test func newCredentialsAndTheClockComeOnceEachAndCostNothing() {
        var budget = AWSRetryBudget()
        var attempts = AWSRetryState()
        #expect(attempts.decide(after: .credentialsReplaced, budget: &budget) == .retry(after: .zero))
        #expect(attempts.decide(after: .clockCorrected, budget: &budget) == .retry(after: .zero))
        #expect(attempts.decide(after: .credentialsReplaced, budget: &budget) == .giveUp)
        #expect(attempts.decide(after: .clockCorrected, budget: &budget) == .giveUp)
        #expect(budget.available == AWSRetryBudget.capacity)
        guard case .retry = attempts.decide(after: .timeout, budget: &budget) else {
            Issue.record("they count as attempts")
            return
        }
    }

    /// In a lasting outage, calls are soon made once only; successes bring repetitions back.
    @Test func theBudgetEndsAndComesBack() {
        var budget = AWSRetryBudget()
        var repeated = 0
        for _ in 0..<1000 {
            var attempts = AWSRetryState()
            while case .retry = attempts.decide(after: .timeout, budget: &budget) { repeated += 1 }
        }
        #expect(repeated == AWSRetryBudget.capacity / AWSRetryBudget.timeoutRetryCost)
        #expect(budget.available == 0)
        for _ in 0..<7 { AWSRetryState().recordSuccess(budget: &budget) }
        #expect(budget.available == 7)
        var attempts = AWSRetryState()
        _ = attempts.decide(after: .outage(retryAfter: nil), budget: &budget)
        #expect(budget.available == 2)
        attempts.recordSuccess(budget: &budget)
        #expect(budget.available == 7)
        for _ in 0..<1000 { AWSRetryState().recordSuccess(budget: &budget) }
        #expect(budget.available == AWSRetryBudget.capacity)
    }
}

struct AWSPaceTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// Requests that go in this time when asked for at once, again and again.
    private func sent(_ pace: inout AWSAdaptiveRate, from: Double, for seconds: Double, step: Double = 0.001)
        -> Int
    {
        var count = 0
        for tick in 0..<Int(seconds / step) {
            let now = at(from + Double(tick) * step)
            while case .granted = pace.reserve(now: now, patience: .microseconds(1)) { count += 1 }
        }
        return count
    }

    @Test func neverFasterThanTheLimit() {
        var pace = AWSAdaptiveRate(maximum: 100)
        // What was saved up goes first.
        #expect((100...126).contains(sent(&pace, from: 0, for: 1)))
        #expect((995...1005).contains(sent(&pace, from: 1, for: 10)))
        // An idle time saves up a quarter of a second, not more.
        #expect((123...127).contains(sent(&pace, from: 100, for: 1)))
    }

    @Test func whoComesLaterWaitsLonger() {
        var pace = AWSAdaptiveRate(maximum: 4)
        var waits: [Duration] = []
        for _ in 0..<5 {
            guard case .granted(let wait) = pace.reserve(now: start, patience: .seconds(10)) else { continue }
            waits.append(wait)
        }
        #expect(waits == [.zero, .zero, .milliseconds(250), .milliseconds(500), .milliseconds(750)])
        // One that cannot wait takes nobody's place.
        #expect(pace.reserve(now: start, patience: .seconds(1)) == .rejected(wait: .seconds(1)))
        #expect(pace.reserve(now: start, patience: .seconds(1.1)) == .granted(after: .seconds(1)))
    }

    @Test func throttlingHalvesWhatWasReallySent() {
        var pace = AWSAdaptiveRate(maximum: 1000)
        for tick in 0..<100 { _ = pace.reserve(now: at(Double(tick) * 0.025), patience: .seconds(1)) }
        pace.recordThrottling(now: at(2.5))
        #expect(pace.rate == 20)
        #expect(sent(&pace, from: 2.5, for: 1) <= 22)
    }

    /// The many that were on their way are one reason to slow down.
    @Test func latecomersDoNotHalveAgain() {
        var pace = AWSAdaptiveRate(maximum: 100)
        _ = sent(&pace, from: 0, for: 2)
        for _ in 0..<50 { pace.recordThrottling(now: at(2)) }
        for _ in 0..<50 { pace.recordThrottling(now: at(2.9)) }
        #expect((45...63).contains(pace.rate))
        let before = pace.rate
        _ = sent(&pace, from: 2, for: 1.5)
        pace.recordThrottling(now: at(3.5))
        #expect(pace.rate < before * 0.7)
    }

    @Test func itRecoversAndNeverStops() {
        var pace = AWSAdaptiveRate(maximum: 1000)
        for second in 0..<100 { pace.recordThrottling(now: at(Double(second) * 2)) }
        // What a second without throttling gives is the most that is lost again.
        #expect(pace.rate <= 2.2)
        #expect(pace.rate >= AWSAdaptiveRate.minimumRate)
        #expect(sent(&pace, from: 199, for: 3) >= 3)
        var seconds = 0.0
        while pace.rate < 1000, seconds < 100 {
            seconds += 1
            _ = pace.reserve(now: at(200 + seconds), patience: .seconds(10))
        }
        #expect(pace.rate == 1000)
        #expect((20...40).contains(seconds))
        _ = pace.reserve(now: at(1_000_000), patience: .seconds(1))
        #expect(pace.rate == 1000)
    }
}
