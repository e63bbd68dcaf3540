import Testing

@testable import Concurrency

struct TokenBucketTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func bucket(capacity: Int = 3) -> TokenBucket<ContinuousClock.Instant> {
        TokenBucket(capacity: capacity, interval: .seconds(10), now: start)
    }

    @Test func givesItsCapacityAtOnceAndThenOneTokenAnInterval() {
        var bucket = bucket()
        #expect((0..<4).map { _ in bucket.take(at: start) } == [true, true, true, false])
        #expect(bucket.time() == at(10))
        #expect(bucket.take(at: at(9.9)) == false)
        #expect(bucket.take(at: at(10)) == true)
        #expect(bucket.take(at: at(10)) == false)
    }

    @Test func countsWholeTokens() {
        var bucket = bucket()
        #expect(bucket.capacity == 3)
        #expect(bucket.available(at: start) == 3)
        _ = bucket.take(at: start)
        _ = bucket.take(at: start)
        #expect(bucket.available(at: start) == 1)
        #expect(bucket.available(at: at(9.9)) == 1)
        #expect(bucket.available(at: at(10)) == 2)
        #expect(bucket.available(at: at(1000)) == 3)
    }

    @Test func knowsWhenFurtherTokensCome() {
        var bucket = bucket()
        for _ in 0..<3 { _ = bucket.take(at: start) }
        #expect(bucket.time(ofTokens: 1) == at(10))
        #expect(bucket.time(ofTokens: 3) == at(30))
        #expect(!bucket.isFull(at: at(29)))
        #expect(bucket.isFull(at: at(30)))
    }

    @Test func aReturnedTokenCanBeTakenAgain() {
        var bucket = bucket(capacity: 1)
        #expect(bucket.take(at: start) == true)
        bucket.giveBack()
        #expect(bucket.take(at: start) == true)
    }

    @Test func reservesTokensThatComeLaterWithinTheLimit() {
        var bucket = bucket(capacity: 1)
        #expect(bucket.reserve(at: start, waitingLessThan: .seconds(15)) == .zero)
        #expect(bucket.reserve(at: start, waitingLessThan: .seconds(15)) == .seconds(10))
        #expect(bucket.reserve(at: start, waitingLessThan: .seconds(15)) == nil)
        #expect(bucket.reserve(at: at(10), waitingLessThan: .seconds(15)) == .seconds(10))
    }

    @Test func aDrainedBucketGetsItsFirstTokenAfterOneInterval() {
        var bucket = bucket()
        bucket.drain(at: start)
        #expect(bucket.available(at: start) == 0)
        #expect(bucket.time() == at(10))
    }

    @Test func aBucketOfABurstHoldsAtLeastOneToken() {
        var bucket = TokenBucket(interval: .seconds(10), burst: .zero, now: start)
        #expect(bucket.capacity == 1)
        #expect(bucket.take(at: start) == true)
        #expect(bucket.take(at: start) == false)
    }

    @Test func largeBucketsCountExactly() {
        var bucket = TokenBucket(capacity: 20_000, interval: .seconds(1) / 50, now: start)
        #expect(bucket.capacity == 20_000)
        for left in stride(from: 19_999, through: 0, by: -1) {
            #expect(bucket.take(at: start) == true)
            guard bucket.available(at: start) == left else {
                Issue.record("\(bucket.available(at: start)) tokens instead of \(left)")
                return
            }
        }
        #expect(bucket.take(at: start) == false)
    }
}
