import KubeClient
import TestSupport
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

    /// A tenant who creates a broken envelope each second must not have all of them retried each time.
    @Test func aNewOneDoesNotRetryTheOthers() {
        let refs = (0..<1000).map { ObjectRef(namespace: "a", name: "\($0)") }
        for ref in refs { rejected.insert(ref, now: start) }
        var now = start
        for _ in 0..<20 {
            now += .seconds(3601)
            for _ in 0..<80 { _ = rejected.takeDueRetries(now: now) }
        }
        for index in 0..<50 {
            rejected.remove(refs[index])
            rejected.insert(refs[index], now: now)
            now += .milliseconds(1001)
            #expect(rejected.takeDueRetries(now: now) == [refs[index]])
            now += .milliseconds(1)
        }
    }

    /// If the KMS returns the right data keys again, each that is opened leads to more retries.
    @Test func aFewAreRetriedAtATime() {
        let refs = Set((0..<100).map { ObjectRef(namespace: "a", name: "\($0)") })
        for ref in refs { rejected.insert(ref, now: start) }
        let now = start + .seconds(2)
        var retried: [ObjectRef] = []
        var rounds = 0
        while case let due = rejected.takeDueRetries(now: now), !due.isEmpty {
            #expect(due.count <= RejectedEnvelopes.maximumRetries)
            retried += due
            rounds += 1
        }
        #expect(Set(retried) == refs)
        #expect(rounds == 7)
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

    /// Each envelope that is opened asks for them.
    @Test func costNothingIfNoneIsDue() {
        func ask(_ count: Int) -> () -> Void {
            let rejected = RejectedEnvelopes()
            for name in 0..<count { rejected.insert(ObjectRef(namespace: "\(name)", name: "db"), now: start) }
            _ = rejected.takeDueRetries(now: start + .seconds(2))
            return { for _ in 0..<200 { _ = rejected.takeDueRetries(now: start + .seconds(2)) } }
        }
        #expect(ProcessorTime.ratio(of: ask(2000), to: ask(100), below: 4) < 4)
    }
}
