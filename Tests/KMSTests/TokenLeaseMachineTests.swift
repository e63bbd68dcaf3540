import Testing

@testable import KMS

struct TokenLeaseMachineTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func granted(_ seconds: Int64, isRenewable: Bool = true) -> TokenLeaseMachine {
        var machine = TokenLeaseMachine()
        _ = machine.demand(now: start)
        machine.granted(.seconds(seconds), isRenewable: isRenewable, now: start, jitter: 0)
        return machine
    }

    @Test func oneLoginForAll() {
        var machine = TokenLeaseMachine()
        #expect(machine.demand(now: start) == .start)
        #expect(machine.demand(now: start) == .wait)
        machine.granted(.seconds(100), isRenewable: true, now: start, jitter: 0)
        #expect(machine.demand(now: start) == .serve)
        #expect(machine.generation == 1)
    }

    @Test func renewsAtTwoThirds() {
        var machine = granted(100)
        #expect(machine.nextRenewal == at(60))
        #expect(machine.demand(now: at(59)) == .serve)
        #expect(machine.demand(now: at(60)) == .serveAndStart(.renewal))
        #expect(machine.demand(now: at(61)) == .serve)
        machine.granted(.seconds(100), isRenewable: true, now: at(62), jitter: 0.999)
        #expect(machine.generation == 1)
        #expect(machine.demand(now: at(130)) == .serve)
        #expect(machine.demand(now: at(132)) == .serveAndStart(.renewal))
    }

    /// What shrinks runs into its maximum.
    @Test func aShrinkingLeaseEndsInALogin() {
        var machine = granted(100)
        _ = machine.demand(now: at(60))
        machine.granted(.seconds(50), isRenewable: true, now: at(60), jitter: 0)
        #expect(machine.demand(now: at(90)) == .serveAndStart(.login))
        machine.granted(.seconds(100), isRenewable: true, now: at(90), jitter: 0)
        #expect(machine.generation == 2)
    }

    @Test func batchTokensAreNeverRenewed() {
        var machine = granted(100, isRenewable: false)
        #expect(machine.demand(now: at(60)) == .serveAndStart(.login))
    }

    @Test func aTokenForEver() {
        var machine = granted(0)
        #expect(machine.nextRenewal == nil)
        #expect(machine.demand(now: at(1e9)) == .serve)
    }

    @Test func aRefusedRenewalIsFollowedByALoginAtOnce() {
        var machine = granted(100)
        _ = machine.demand(now: at(60))
        #expect(machine.failed(isOutage: false, now: at(61), jitter: 0) == nil)
        #expect(machine.demand(now: at(61)) == .serveAndStart(.login))
    }

    /// Its token ended meanwhile: who waits for the renewal gets a login, not the renewal's refusal.
    @Test func whoWaitsForARefusedRenewalGetsALogin() {
        var machine = granted(100)
        _ = machine.demand(now: at(60))
        #expect(machine.demand(now: at(90)) == .wait)
        #expect(machine.failed(isOutage: false, now: at(91), jitter: 0) == .login)
        #expect(machine.demand(now: at(91)) == .wait)
        machine.granted(.seconds(100), isRenewable: true, now: at(91), jitter: 0)
        #expect(machine.generation == 2)
        #expect(machine.demand(now: at(92)) == .serve)
    }

    /// Vault counts in whole seconds; "for ever" is what a login says.
    @Test func aRenewalOfNothingIsTheEnd() {
        var machine = granted(3)
        _ = machine.demand(now: at(2))
        machine.granted(.zero, isRenewable: true, now: at(2), jitter: 0)
        #expect(machine.demand(now: at(2)) == .start)
    }

    /// A valid token serves on while renewals fail; then logins do; then one succeeds.
    @Test func nothingIsAbsorbing() {
        var machine = granted(100)
        var now = 60.0
        var flights = 0
        while now < 90 {
            if machine.demand(now: at(now)) == .serveAndStart(.renewal) {
                _ = machine.failed(isOutage: true, now: at(now), jitter: 0.5)
                flights += 1
            }
            now += 0.1
        }
        #expect((10...60).contains(flights))
        var steps: [TokenLeaseMachine.Step] = []
        while now < 400 {
            let step = machine.demand(now: at(now))
            steps.append(step)
            if step == .start { _ = machine.failed(isOutage: false, now: at(now), jitter: 0.5) }
            now += 0.1
        }
        #expect(!steps.contains(.serve))
        #expect(steps.contains(.fail))
        #expect((5...20).contains(steps.count { $0 == .start }))
        now += 120
        #expect(machine.demand(now: at(now)) == .start)
        machine.granted(.seconds(100), isRenewable: true, now: at(now), jitter: 0)
        #expect(machine.demand(now: at(now)) == .serve)
    }

    @Test func expiredMeansALogin() {
        var machine = granted(100)
        #expect(machine.demand(now: at(89)) == .serveAndStart(.renewal))
        _ = machine.failed(isOutage: true, now: at(89), jitter: 0)
        #expect(machine.demand(now: at(90)) == .start)
        #expect(machine.nextRenewal == nil)
    }

    @Test func refusalsArePacedWhileThePolicySaysNo() {
        var machine = granted(10_000)
        var logins = 0
        for second in 0..<600 {
            if machine.refused(generation: machine.generation, path: "decrypt", now: at(Double(second))) {
                if machine.demand(now: at(Double(second))) == .start {
                    machine.granted(.seconds(10_000), isRenewable: true, now: at(Double(second)), jitter: 0)
                    logins += 1
                }
            }
        }
        #expect((5...7).contains(logins))
    }

    @Test func aLateRefusalLeavesTheSuccessorAlone() {
        var machine = granted(100)
        #expect(machine.refused(generation: 1, path: "decrypt", now: at(1)) == true)
        #expect(machine.demand(now: at(1)) == .start)
        machine.granted(.seconds(100), isRenewable: true, now: at(1), jitter: 0)
        #expect(machine.refused(generation: 1, path: "decrypt", now: at(2)) == true)
        #expect(machine.demand(now: at(2)) == .serve)
    }

    @Test func aTokenThatWorkedMayBeRevokedAgain() {
        var machine = granted(10_000)
        for round in 0..<5 {
            let now = at(Double(round) * 20)
            let generation = machine.generation
            #expect(machine.refused(generation: generation, path: "decrypt", now: now) == true)
            #expect(machine.demand(now: now) == .start)
            machine.granted(.seconds(10_000), isRenewable: true, now: now, jitter: 0)
            machine.worked(generation: machine.generation, path: "decrypt")
        }
    }

    /// A self-test that may not make data keys leaves nothing behind for the token that decrypts.
    @Test func aRefusalElsewhereDelaysNobody() {
        var machine = granted(10_000)
        #expect(machine.refused(generation: 1, path: "datakey", now: start) == true)
        #expect(machine.demand(now: start) == .start)
        machine.granted(.seconds(10_000), isRenewable: true, now: start, jitter: 0)
        #expect(machine.refused(generation: 2, path: "datakey", now: start) == false)
        machine.worked(generation: 2, path: "decrypt")
        #expect(machine.refused(generation: 2, path: "datakey", now: at(1)) == false)
        #expect(machine.refused(generation: 2, path: "decrypt", now: at(1)) == true)
    }
}
