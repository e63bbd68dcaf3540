import Testing

@testable import Concurrency

struct BackoffTests {
    @Test func doublesTheDelayUpToTheMaximum() {
        var backoff = Backoff(base: .milliseconds(100), maximum: .seconds(1), jitter: .none)
        let delays = (0..<6).map { _ in backoff.next() }
        #expect(delays == [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
    }

    @Test(arguments: [
        (Backoff.Jitter.none, 0.0, 100), (.none, 0.5, 100), (.half, 0.0, 50), (.half, 0.5, 75),
        (.full, 0.0, 0), (.full, 0.5, 50),
    ])
    func takesTheJitterFromTheRandomNumber(jitter: Backoff.Jitter, random: Double, milliseconds: Int) {
        var backoff = Backoff(base: .milliseconds(100), maximum: .seconds(1), jitter: jitter)
        #expect(backoff.next(random: random) == .milliseconds(milliseconds))
    }

    @Test func limitsOneDelayAndCountsItsFailure() {
        var backoff = Backoff(base: .seconds(1), maximum: .seconds(60), jitter: .none)
        for _ in 0..<4 { _ = backoff.next() }
        #expect(backoff.next(random: 0, limit: .seconds(2)) == .seconds(2))
        #expect(backoff.next(random: 0) == .seconds(32))
    }

    @Test func startsAtTheBaseAfterAReset() {
        var backoff = Backoff(base: .seconds(1), maximum: .seconds(60), jitter: .none)
        for _ in 0..<4 { _ = backoff.next() }
        backoff.reset()
        #expect(backoff.failures == 0)
        #expect(backoff.next() == .seconds(1))
    }

    @Test func keepsTheMaximumAfterAnyNumberOfFailures() {
        var backoff = Backoff(base: .seconds(1), maximum: .seconds(60))
        for _ in 0..<10_000 { _ = backoff.next() }
        #expect(backoff.ceiling == .seconds(60))
    }
}
