import Concurrency
import Testing

@testable import KMS

struct AWSRefreshPolicyTests {
    private typealias Machine = RefreshMachine<String, AWSCredentialsError>

    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func machine(_ lifetime: Double) -> Machine {
        var machine = Machine(RefreshingAWSCredentials.policy)
        _ = machine.request(now: start)
        _ = machine.succeeded(Grant("keys", lifetime: .seconds(lifetime)), now: start, random: 0)
        return machine
    }

    private func action(_ machine: inout Machine, _ seconds: Double) -> String {
        switch machine.request(now: at(seconds)) {
        case .serve: "serve"
        case .serveAndStart: "serve and refresh"
        case .start: "refresh"
        case .wait: "wait"
        case .fail: "fail"
        }
    }

    /// The lifetime, the time of the refresh, and the end of use, in seconds.
    @Test(arguments: [
        (3600.0, 2700.0, 3590.0), (900, 675, 890), (60, 45, 54), (4, 3, 3.6), (43_200, 42_300, 43_190),
    ])
    func refreshesInTheLastQuarterOfAnHourOrOfAShortLife(_ lifetime: Double, _ refresh: Double, _ end: Double)
    {
        var machine = machine(lifetime)
        #expect(action(&machine, refresh - 0.01) == "serve")
        #expect(action(&machine, refresh) == "serve and refresh")
        #expect(action(&machine, end - 0.01) == "serve")
        #expect(action(&machine, end) == "wait")
    }

    @Test func refreshesCredentialsOfASecondAtTheirEnd() {
        var machine = machine(1)
        #expect(action(&machine, 0.89) == "serve")
        #expect(action(&machine, 0.9) == "refresh")
    }

    @Test(arguments: [
        (AWSCredentialsError.Code.denied, [0.5, 1, 2, 4, 8, 16, 32, 60, 60]),
        (.unavailable, [0.5, 1, 2, 4, 5, 5, 5, 5, 5]),
    ])
    func delaysGrowAndAreShorterInAnOutage(_ code: AWSCredentialsError.Code, _ expected: [Double]) {
        var machine = Machine(RefreshingAWSCredentials.policy)
        var now = 0.0
        let delays = expected.map { _ in
            let failedAt = now
            _ = machine.request(now: at(now))
            _ = machine.failed(AWSCredentialsError(code, "down"), now: at(now), random: 1)
            while action(&machine, now) == "fail" { now += 0.5 }
            return now - failedAt
        }
        #expect(delays == expected)
    }

    @Test func waitsAsLongAsTheSourceAsksUpToAMinute() {
        for (retryAfter, delay) in [(30, 30.0), (86_400, 60)] {
            var machine = Machine(RefreshingAWSCredentials.policy)
            _ = machine.request(now: start)
            let error = AWSCredentialsError(.unavailable, "down", retryAfter: .seconds(retryAfter))
            _ = machine.failed(error, now: start, random: 0)
            #expect(action(&machine, delay - 1) == "fail")
            #expect(action(&machine, delay) == "refresh")
        }
    }

    @Test func rejectedCredentialsAreReplacedAtGrowingIntervals() {
        var machine = machine(43_200)
        var fetches = 0
        for second in 0..<600 {
            let now = Double(second)
            guard machine.denied(generation: machine.generation, scope: "", now: at(now)),
                action(&machine, now) == "refresh"
            else { continue }
            _ = machine.succeeded(Grant("keys", lifetime: .seconds(43_200)), now: at(now), random: 0)
            fetches += 1
        }
        #expect((5...7).contains(fetches))
        let isReplaceable = machine.denied(generation: machine.generation, scope: "", now: at(10_000))
        #expect(isReplaceable)
    }
}
