import Testing

@testable import Concurrency

struct RefreshMachineTests {
    struct Failure: RefreshFailure, Equatable {
        var isOutage = false
        var retryAfter: Duration?

        static let outage = Failure(isOutage: true)
        static let rejection = Failure()
    }

    typealias Machine = RefreshMachine<String, Failure>

    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// A machine with a value of this lifetime, fetched at `start`.
    private func machine(
        _ lifetime: Double?, isRenewable: Bool = true, _ policy: RefreshPolicy = RefreshPolicy()
    ) -> Machine {
        var machine = Machine(policy)
        _ = machine.request(now: start)
        machine.grant("one", lifetime, isRenewable: isRenewable, now: start)
        return machine
    }

    @Test func fetchesOnceForAllRequests() {
        var machine = Machine(RefreshPolicy())
        #expect(machine.word(start) == "fetch and wait")
        #expect(machine.word(start) == "wait")
        machine.grant("one", 100, now: start)
        #expect(machine.word(start) == "serve one")
        #expect(machine.generation == 1)
    }

    @Test func renewsAheadOfTheEndAndKeepsTheValue() {
        var machine = machine(100)
        #expect(machine.nextRefresh == at(60))
        #expect(machine.word(at(59)) == "serve one")
        #expect(machine.word(at(60)) == "serve one and renew")
        #expect(machine.word(at(61)) == "serve one")
        machine.grant("another copy", 100, now: at(62), random: 0.999)
        #expect(machine.generation == 1)
        #expect(machine.word(at(130)) == "serve one")
        #expect(machine.word(at(132)) == "serve one and renew")
    }

    @Test func fetchesWhenTheLifetimeShrinksTowardsItsMaximum() {
        var machine = machine(100)
        _ = machine.request(now: at(60))
        machine.grant("one", 50, now: at(60))
        #expect(machine.word(at(90)) == "serve one and fetch")
        machine.grant("two", 100, now: at(90))
        #expect(machine.generation == 2)
        #expect(machine.word(at(90)) == "serve two")
    }

    @Test func refreshesWhenTheSourceAsks() {
        var machine = Machine(RefreshPolicy())
        _ = machine.request(now: start)
        _ = machine.succeeded(
            Grant("one", lifetime: .seconds(100), refreshAfter: .seconds(20)), now: start, random: 0)
        #expect(machine.nextRefresh == at(20))
        #expect(machine.word(at(19)) == "serve one")
        #expect(machine.word(at(20)) == "serve one and fetch")
    }

    /// A source that asks for a refresh after the end of the value is not right.
    @Test func ignoresARefreshTimeAfterTheEnd() {
        var machine = Machine(RefreshPolicy())
        _ = machine.request(now: start)
        _ = machine.succeeded(
            Grant("one", lifetime: .seconds(100), refreshAfter: .seconds(200)), now: start, random: 0)
        #expect(machine.nextRefresh == at(60))
    }

    @Test func fetchesWhenTheValueIsNotRenewable() {
        var machine = machine(100, isRenewable: false)
        #expect(machine.word(at(60)) == "serve one and fetch")
    }

    @Test func servesAValueWithoutAnEndForEver() {
        var machine = machine(nil)
        #expect(machine.nextRefresh == nil)
        #expect(machine.word(at(1e9)) == "serve one")
    }

    @Test func fetchesAtOnceAfterARejectedRenewal() {
        var machine = machine(100)
        _ = machine.request(now: at(60))
        #expect(machine.failed(.rejection, now: at(61), random: 0) == nil)
        #expect(machine.word(at(61)) == "serve one and fetch")
    }

    @Test func tasksThatWaitForARejectedRenewalGetAFetchedValue() {
        var machine = machine(100)
        _ = machine.request(now: at(60))
        #expect(machine.word(at(90)) == "wait")
        guard case .fetch = machine.failed(.rejection, now: at(91), random: 0) else {
            Issue.record("no fetch was started")
            return
        }
        #expect(machine.word(at(91)) == "wait")
        machine.grant("two", 100, now: at(91))
        #expect(machine.generation == 2)
        #expect(machine.word(at(92)) == "serve two")
    }

    @Test func aRenewalWithoutALifetimeEndsTheValue() {
        var machine = machine(3)
        _ = machine.request(now: at(2))
        machine.grant("one", 0, now: at(2))
        #expect(machine.word(at(2)) == "fetch and wait")
    }

    @Test func aValueThatIsExpiredWhenItComesServesOnlyTheTasksThatWait() {
        var machine = Machine(RefreshPolicy())
        _ = machine.request(now: start)
        let (served, next) = machine.succeeded(Grant("old", lifetime: .zero), now: start, random: 0)
        #expect(served.value == "old")
        #expect(next == nil)
        #expect(machine.word(start) == "fetch and wait")
    }

    @Test func recoversAfterFailedRenewalsAndFetches() {
        var machine = machine(100)
        var now = 60.0
        var renewals = 0
        while now < 90 {
            if machine.word(at(now)) == "serve one and renew" {
                _ = machine.failed(.outage, now: at(now), random: 0.5)
                renewals += 1
            }
            now += 0.1
        }
        #expect((10...60).contains(renewals))
        var words: [String] = []
        while now < 400 {
            words.append(machine.word(at(now)))
            if words.last == "fetch and wait" { _ = machine.failed(.rejection, now: at(now), random: 0.5) }
            now += 0.1
        }
        #expect(!words.contains("serve one"))
        #expect(words.contains("fail"))
        #expect((5...20).contains(words.count { $0 == "fetch and wait" }))
        now += 120
        #expect(machine.word(at(now)) == "fetch and wait")
        machine.grant("two", 100, now: at(now))
        #expect(machine.word(at(now)) == "serve two")
    }

    @Test func fetchesWhenTheValueHasExpired() {
        var machine = machine(100)
        #expect(machine.word(at(89)) == "serve one and renew")
        _ = machine.failed(.outage, now: at(89), random: 0)
        #expect(machine.word(at(90)) == "fetch and wait")
        #expect(machine.nextRefresh == nil)
    }

    @Test(arguments: [
        (Failure.outage, 2.0), (.rejection, 60), (Failure(isOutage: true, retryAfter: .seconds(20)), 20),
        (Failure(isOutage: true, retryAfter: .seconds(3600)), 60),
    ])
    func waitsBetweenFetches(failure: Failure, longest: Double) {
        var machine = Machine(RefreshPolicy())
        var now = start
        for _ in 0..<12 {
            _ = machine.request(now: now)
            _ = machine.failed(failure, now: now, random: 0.999_999)
            now += .seconds(100)
        }
        _ = machine.request(now: now)
        _ = machine.failed(failure, now: now, random: 0.999_999)
        #expect(machine.word(now + .seconds(longest - 0.1)) == "fail")
        #expect(machine.word(now + .seconds(longest)) == "fetch and wait")
    }

    @Test func withoutARetryBaseEachRequestFetches() {
        var policy = RefreshPolicy()
        policy.retryBase = .zero
        var machine = Machine(policy)
        for _ in 0..<3 {
            #expect(machine.word(start) == "fetch and wait")
            _ = machine.failed(.rejection, now: start, random: 0.5)
        }
    }

    @Test func aPolicyWithoutARefreshLeadFetchesAfterTheEnd() {
        var policy = RefreshPolicy()
        policy.refreshLead = nil
        policy.expiryLead = .init(share: 1, maximum: .seconds(10))
        var machine = machine(100, isRenewable: false, policy)
        #expect(machine.word(at(89)) == "serve one")
        #expect(machine.word(at(90)) == "fetch and wait")
    }

    @Test func leadsHaveAMaximum() {
        var policy = RefreshPolicy()
        policy.refreshLead = .init(share: 0.25, maximum: .seconds(900))
        policy.expiryLead = .init(share: 0.1, maximum: .seconds(10))
        policy.refreshJitter = 0.2
        var machine = machine(36_000, isRenewable: false, policy)
        #expect(machine.word(at(36_000 - 901)) == "serve one")
        #expect(machine.word(at(36_000 - 900)) == "serve one and fetch")
        #expect(machine.word(at(36_000 - 11)) == "serve one")
        #expect(machine.word(at(36_000 - 10)) == "wait")
    }

    @Test func discardsDeniedValuesAtGrowingIntervals() {
        var machine = machine(10_000)
        var fetches = 0
        for second in 0..<600 {
            let now = at(Double(second))
            guard machine.denied(generation: machine.generation, scope: "decrypt", now: now),
                machine.word(now) == "fetch and wait"
            else { continue }
            machine.grant("next", 10_000, now: now)
            fetches += 1
        }
        #expect((5...7).contains(fetches))
    }

    @Test func aLateDenialLeavesTheSuccessorAlone() {
        var machine = machine(100)
        #expect(machine.denied(generation: 1, scope: "decrypt", now: at(1)) == true)
        #expect(machine.word(at(1)) == "fetch and wait")
        machine.grant("two", 100, now: at(1))
        #expect(machine.denied(generation: 1, scope: "decrypt", now: at(2)) == true)
        #expect(machine.word(at(2)) == "serve two")
    }

    @Test func aValueThatWasAcceptedCanBeDeniedAgain() {
        var machine = machine(10_000)
        for round in 0..<5 {
            let now = at(Double(round) * 20)
            #expect(machine.denied(generation: machine.generation, scope: "decrypt", now: now) == true)
            #expect(machine.word(now) == "fetch and wait")
            machine.grant("next", 10_000, now: now)
            machine.accepted(generation: machine.generation, scope: "decrypt")
        }
    }

    @Test func denialsOfOneScopeDoNotDelayAnother() {
        var machine = machine(10_000)
        #expect(machine.denied(generation: 1, scope: "datakey", now: start) == true)
        #expect(machine.word(start) == "fetch and wait")
        machine.grant("two", 10_000, now: start)
        #expect(machine.denied(generation: 2, scope: "datakey", now: start) == false)
        machine.accepted(generation: 2, scope: "decrypt")
        #expect(machine.denied(generation: 2, scope: "datakey", now: at(1)) == false)
        #expect(machine.denied(generation: 2, scope: "decrypt", now: at(1)) == true)
    }

    @Test func aDenialIsForgottenAfterItsMemory() {
        var policy = RefreshPolicy()
        policy.denialMemory = .seconds(3600)
        var machine = machine(nil, policy)
        func deny(_ seconds: Double) -> Bool {
            let isDiscarded = machine.denied(generation: machine.generation, scope: "", now: at(seconds))
            _ = machine.request(now: at(seconds))
            machine.grant("next", nil, now: at(seconds))
            return isDiscarded
        }
        #expect(deny(0) == true)
        #expect(deny(10) == true)
        #expect(deny(29) == false)
        #expect(deny(30) == true)
        #expect(deny(70 + 3601) == true)
        #expect(deny(70 + 3601 + 10) == true)
    }
}

extension RefreshMachine where Value == String {
    fileprivate mutating func grant(
        _ value: String, _ seconds: Double?, isRenewable: Bool = true, now: Instant, random: Double = 0
    ) {
        _ = succeeded(
            Grant(value, lifetime: seconds.map { .seconds($0) }, isRenewable: isRenewable), now: now,
            random: random)
    }

    /// The step of a request, in words.
    fileprivate mutating func word(_ now: Instant) -> String {
        switch request(now: now) {
        case .serve(let served): "serve \(served.value)"
        case .serveAndStart(let served, .fetch): "serve \(served.value) and fetch"
        case .serveAndStart(let served, .renew): "serve \(served.value) and renew"
        case .start(.fetch): "fetch and wait"
        case .start(.renew): "renew and wait"
        case .wait: "wait"
        case .fail: "fail"
        }
    }
}
