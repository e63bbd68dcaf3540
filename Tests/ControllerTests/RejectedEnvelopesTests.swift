import KubeClient
import Testing

@testable import Controller

@Suite struct RejectedEnvelopesTests {
    private let rejected = RejectedEnvelopes()
    private let start = ContinuousClock.now
    private let ref = ObjectRef(namespace: "payments", name: "db")

    @Test func areRetriedAfterAnotherEnvelopeWasOpened() {
        rejected.insert(ref, now: start)
        #expect(rejected.takeDueRetries(now: start) == [])
        #expect(rejected.takeDueRetries(now: start + .seconds(2)) == [ref])
    }

    @Test func areRetriedAfterGrowingDelays() {
        rejected.insert(ref, now: start)
        let retries = (0..<36_000).count {
            !rejected.takeDueRetries(now: start + .milliseconds($0 * 100)).isEmpty
        }
        #expect(retries <= 12)
    }

    @Test func startWithTheShortestDelayOnceNoneIsLeft() {
        rejected.insert(ref, now: start)
        _ = rejected.takeDueRetries(now: start + .seconds(2))
        rejected.remove(ref)
        rejected.insert(ref, now: start + .seconds(10))
        #expect(rejected.takeDueRetries(now: start + .seconds(12)) == [ref])
    }

    /// A tenant's broken envelope must not delay the retries of others.
    @Test func haveADelayForEachNamespace() {
        rejected.insert(ref, now: start)
        for hour in 1...20 { _ = rejected.takeDueRetries(now: start + .seconds(hour * 3601)) }
        let late = start + .seconds(21 * 3601)
        _ = rejected.takeDueRetries(now: late)
        let other = ObjectRef(namespace: "other", name: "db")
        rejected.insert(other, now: late)
        #expect(rejected.takeDueRetries(now: late + .seconds(2)) == [other])
    }
}
