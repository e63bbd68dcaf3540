import Testing

@testable import KMS

struct AWSCredentialsMachineTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func granted(_ seconds: Int64?) -> AWSCredentialsMachine {
        var machine = AWSCredentialsMachine()
        _ = machine.request(now: start)
        machine.renewed(seconds.map { .seconds($0) }, now: start, jitter: 0)
        return machine
    }

    @Test func oneFetchForAll() {
        var machine = AWSCredentialsMachine()
        #expect(machine.request(now: start) == .refresh)
        #expect(machine.request(now: start) == .wait)
        machine.renewed(.seconds(3600), now: start, jitter: 0)
        #expect(machine.request(now: start) == .serve)
        #expect(machine.generation == 1)
    }

    @Test func refreshesAQuarterOfAnHourAhead() {
        var machine = granted(3600)
        #expect(machine.request(now: at(2699)) == .serve)
        #expect(machine.request(now: at(2700)) == .serveAndRefresh)
        #expect(machine.request(now: at(2701)) == .serve)
        machine.renewed(.seconds(3600), now: at(2702), jitter: 0.999)
        // Jitter moves it towards the end, by a fifth of the time ahead.
        #expect(machine.request(now: at(2702 + 2878)) == .serve)
        #expect(machine.request(now: at(2702 + 2880)) == .serveAndRefresh)
    }

    /// Lifetime, when it is asked for anew, when it is not served any more.
    @Test(arguments: [(900, 675.0, 890.0), (60, 45, 54), (4, 3, 3.6), (1, 1, 0.9), (43_200, 42_300, 43_190)])
    func shortLivesAreScaled(_ lifetime: Int64, _ refresh: Double, _ end: Double) {
        var machine = granted(lifetime)
        if refresh < end {
            #expect(machine.request(now: at(refresh - 0.01)) == .serve)
            #expect(machine.request(now: at(refresh)) == .serveAndRefresh)
        }
        #expect(machine.request(now: at(end - 0.01)) == .serve)
        #expect(machine.request(now: at(end)) == (refresh < end ? .wait : .refresh))
    }

    @Test func keysWithoutAnEnd() {
        var machine = granted(nil)
        #expect(machine.request(now: at(1e9)) == .serve)
    }

    /// What is valid serves on while fetches fail; then they are told; then one succeeds.
    @Test func nothingIsAbsorbing() {
        var machine = granted(3600)
        var now = 2700.0
        var fetches = 0
        while now < 3590 {
            let step = machine.request(now: at(now))
            #expect(step == .serve || step == .serveAndRefresh)
            if step == .serveAndRefresh {
                machine.failed(isOutage: true, now: at(now), jitter: 0.5)
                fetches += 1
            }
            now += 0.5
        }
        #expect((15...40).contains(fetches))
        var steps: [AWSCredentialsMachine.Step] = []
        while now < 4000 {
            let step = machine.request(now: at(now))
            steps.append(step)
            if step == .refresh { machine.failed(isOutage: false, now: at(now), jitter: 0.5) }
            now += 0.5
        }
        #expect(!steps.contains(.serve))
        #expect(steps.contains(.fail))
        #expect((5...20).contains(steps.count { $0 == .refresh }))
        now += 60
        #expect(machine.request(now: at(now)) == .refresh)
        machine.renewed(.seconds(3600), now: at(now), jitter: 0)
        #expect(machine.request(now: at(now)) == .serve)
    }

    @Test func pausesGrowAndAreShorterInAnOutage() {
        func pauses(isOutage: Bool) -> [Double] {
            var machine = AWSCredentialsMachine()
            var now = 0.0
            return (0..<10).map { _ in
                let failed = now
                _ = machine.request(now: at(now))
                machine.failed(isOutage: isOutage, now: at(now), jitter: 1)
                while machine.request(now: at(now)) == .fail { now += 0.5 }
                return now - failed
            }
        }
        #expect(pauses(isOutage: false) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect(pauses(isOutage: true) == [0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5])
    }

    @Test func whatTheSourceAskedForIsKept() {
        var machine = AWSCredentialsMachine()
        _ = machine.request(now: start)
        machine.failed(isOutage: true, retryAfter: .seconds(30), now: start, jitter: 0)
        #expect(machine.request(now: at(29)) == .fail)
        #expect(machine.request(now: at(30)) == .refresh)
        machine.failed(isOutage: true, retryAfter: .seconds(86_400), now: at(30), jitter: 0)
        #expect(machine.request(now: at(90)) == .refresh)
    }

    @Test func refusalsArePaced() {
        var machine = granted(43_200)
        var fetches = 0
        for second in 0..<600 {
            guard machine.invalidate(generation: machine.generation, now: at(Double(second))) else {
                continue
            }
            guard machine.request(now: at(Double(second))) == .refresh else { continue }
            machine.renewed(.seconds(43_200), now: at(Double(second)), jitter: 0)
            fetches += 1
        }
        #expect((5...7).contains(fetches))
        // Hours later the first refusal is taken at its word again.
        #expect(machine.invalidate(generation: machine.generation, now: at(10_000)) == true)
    }

    @Test func aLateRefusalLeavesTheSuccessorAlone() {
        var machine = granted(3600)
        #expect(machine.invalidate(generation: 1, now: at(1)) == true)
        #expect(machine.request(now: at(1)) == .refresh)
        machine.renewed(.seconds(3600), now: at(1), jitter: 0)
        #expect(machine.invalidate(generation: 1, now: at(2)) == true)
        #expect(machine.request(now: at(2)) == .serve)
    }

    /// A refusal while a refresh is under way does not start a second one.
    @Test func refusedWhileRefreshing() {
        var machine = granted(3600)
        #expect(machine.request(now: at(2700)) == .serveAndRefresh)
        #expect(machine.invalidate(generation: 1, now: at(2701)) == true)
        #expect(machine.request(now: at(2701)) == .wait)
        machine.renewed(.seconds(3600), now: at(2702), jitter: 0)
        #expect(machine.request(now: at(2702)) == .serve)
    }
}
