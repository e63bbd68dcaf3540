import Testing

@testable import KMS

struct AWSCredentialsMachineTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func granted(_ seconds: Int64?) -> AWSCredentialsMachine {
        var machine = AWSCredentialsMachine()
        _ = machine.demand(now: start)
        machine.granted(seconds.map { .seconds($0) }, now: start, jitter: 0)
        return machine
    }

    @Test func oneFetchForAll() {
        var machine = AWSCredentialsMachine()
        #expect(machine.demand(now: start) == .start)
        #expect(machine.demand(now: start) == .wait)
        machine.granted(.seconds(3600), now: start, jitter: 0)
        #expect(machine.demand(now: start) == .serve)
        #expect(machine.generation == 1)
    }

    @Test func refreshesAQuarterOfAnHourAhead() {
        var machine = granted(3600)
        #expect(machine.demand(now: at(2699)) == .serve)
        #expect(machine.demand(now: at(2700)) == .serveAndStart)
        #expect(machine.demand(now: at(2701)) == .serve)
        machine.granted(.seconds(3600), now: at(2702), jitter: 0.999)
        // Jitter moves it towards the end, by a fifth of the time ahead.
        #expect(machine.demand(now: at(2702 + 2878)) == .serve)
        #expect(machine.demand(now: at(2702 + 2880)) == .serveAndStart)
    }

    /// Lifetime, when it is asked for anew, when it is not served any more.
    @Test(arguments: [(900, 675.0, 890.0), (60, 45, 54), (4, 3, 3.6), (1, 1, 0.9), (43_200, 42_300, 43_190)])
    func shortLivesAreScaled(_ lifetime: Int64, _ refresh: Double, _ end: Double) {
        var machine = granted(lifetime)
        if refresh < end {
            #expect(machine.demand(now: at(refresh - 0.01)) == .serve)
            #expect(machine.demand(now: at(refresh)) == .serveAndStart)
        }
        #expect(machine.demand(now: at(end - 0.01)) == .serve)
        #expect(machine.demand(now: at(end)) == (refresh < end ? .wait : .start))
    }

    @Test func keysWithoutAnEnd() {
        var machine = granted(nil)
        #expect(machine.demand(now: at(1e9)) == .serve)
    }

    /// What is valid serves on while fetches fail; then they are told; then one succeeds.
    @Test func nothingIsAbsorbing() {
        var machine = granted(3600)
        var now = 2700.0
        var fetches = 0
        while now < 3590 {
            let step = machine.demand(now: at(now))
            #expect(step == .serve || step == .serveAndStart)
            if step == .serveAndStart {
                machine.failed(isOutage: true, now: at(now), jitter: 0.5)
                fetches += 1
            }
            now += 0.5
        }
        #expect((15...40).contains(fetches))
        var steps: [AWSCredentialsMachine.Step] = []
        while now < 4000 {
            let step = machine.demand(now: at(now))
            steps.append(step)
            if step == .start { machine.failed(isOutage: false, now: at(now), jitter: 0.5) }
            now += 0.5
        }
        #expect(!steps.contains(.serve))
        #expect(steps.contains(.fail))
        #expect((5...20).contains(steps.count { $0 == .start }))
        now += 60
        #expect(machine.demand(now: at(now)) == .start)
        machine.granted(.seconds(3600), now: at(now), jitter: 0)
        #expect(machine.demand(now: at(now)) == .serve)
    }

    @Test func pausesGrowAndAreShorterInAnOutage() {
        func pauses(isOutage: Bool) -> [Double] {
            var machine = AWSCredentialsMachine()
            var now = 0.0
            return (0..<10).map { _ in
                let failed = now
                _ = machine.demand(now: at(now))
                machine.failed(isOutage: isOutage, now: at(now), jitter: 1)
                while machine.demand(now: at(now)) == .fail { now += 0.5 }
                return now - failed
            }
        }
        #expect(pauses(isOutage: false) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect(pauses(isOutage: true) == [0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5])
    }

    @Test func whatTheSourceAskedForIsKept() {
        var machine = AWSCredentialsMachine()
        _ = machine.demand(now: start)
        machine.failed(isOutage: true, retryAfter: .seconds(30), now: start, jitter: 0)
        #expect(machine.demand(now: at(29)) == .fail)
        #expect(machine.demand(now: at(30)) == .start)
        machine.failed(isOutage: true, retryAfter: .seconds(86_400), now: at(30), jitter: 0)
        #expect(machine.demand(now: at(90)) == .start)
    }

    @Test func refusalsArePaced() {
        var machine = granted(43_200)
        var fetches = 0
        for second in 0..<600 {
            guard machine.refused(generation: machine.generation, now: at(Double(second))) else { continue }
            guard machine.demand(now: at(Double(second))) == .start else { continue }
            machine.granted(.seconds(43_200), now: at(Double(second)), jitter: 0)
            fetches += 1
        }
        #expect((5...7).contains(fetches))
        // Hours later the first refusal is taken at its word again.
        #expect(machine.refused(generation: machine.generation, now: at(10_000)) == true)
    }

    @Test func aLateRefusalLeavesTheSuccessorAlone() {
        var machine = granted(3600)
        #expect(machine.refused(generation: 1, now: at(1)) == true)
        #expect(machine.demand(now: at(1)) == .start)
        machine.granted(.seconds(3600), now: at(1), jitter: 0)
        #expect(machine.refused(generation: 1, now: at(2)) == true)
        #expect(machine.demand(now: at(2)) == .serve)
    }

    /// A refusal while a refresh is under way does not start a second one.
    @Test func refusedWhileRefreshing() {
        var machine = granted(3600)
        #expect(machine.demand(now: at(2700)) == .serveAndStart)
        #expect(machine.refused(generation: 1, now: at(2701)) == true)
        #expect(machine.demand(now: at(2701)) == .wait)
        machine.granted(.seconds(3600), now: at(2702), jitter: 0)
        #expect(machine.demand(now: at(2702)) == .serve)
    }
}
