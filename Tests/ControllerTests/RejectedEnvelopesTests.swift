import KubeClient
import Testing

@testable import Controller

@Suite struct RejectedEnvelopesTests {
    private let ref = ObjectRef(namespace: "payments", name: "db")

    @Test func areTriedAgainWhenOthersAreServed() {
        let refused = RejectedEnvelopes()
        let start = ContinuousClock.now
        refused.insert(ref, now: start)
        #expect(refused.takeDueRetries(now: start) == [])
        #expect(refused.takeDueRetries(now: start + .seconds(2)) == [ref])
    }

    @Test func areTriedEverMoreRarely() {
        let refused = RejectedEnvelopes()
        let start = ContinuousClock.now
        refused.insert(ref, now: start)
        let tries = (0..<36_000).count {
            !refused.takeDueRetries(now: start + .milliseconds($0 * 100)).isEmpty
        }
        #expect(tries <= 12)
    }

    @Test func startOverOnceNoneIsLeft() {
        let refused = RejectedEnvelopes()
        let start = ContinuousClock.now
        refused.insert(ref, now: start)
        _ = refused.takeDueRetries(now: start + .seconds(2))
        refused.remove(ref)
        refused.insert(ref, now: start + .seconds(10))
        #expect(refused.takeDueRetries(now: start + .seconds(12)) == [ref])
    }

    /// A tenant's broken envelope must not make others wait.
    @Test func namespacesHavePausesOfTheirOwn() {
        let refused = RejectedEnvelopes()
        let start = ContinuousClock.now
        refused.insert(ref, now: start)
        for hour in 1...20 { _ = refused.takeDueRetries(now: start + .seconds(hour * 3601)) }
        let late = start + .seconds(21 * 3601)
        _ = refused.takeDueRetries(now: late)
        let victim = ObjectRef(namespace: "other", name: "db")
        refused.insert(victim, now: late)
        #expect(refused.takeDueRetries(now: late + .seconds(2)) == [victim])
    }
}
