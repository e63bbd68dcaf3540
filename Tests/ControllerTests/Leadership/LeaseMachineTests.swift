import TestSupport
import Testing

@testable import Controller

typealias Machine = LeaseMachine<ManualClock.Instant>

/// Returns the instant, rounded to microseconds.
func at(_ seconds: Double) -> ManualClock.Instant {
    ManualClock.Instant(.microseconds(Int64((seconds * 1e6).rounded())))
}

func record(
    _ holder: String, version: Int, renewed: String = "r1", seconds: Int? = 15, transitions: Int = 3
) -> LeaseRecord {
    var record = LeaseRecord()
    record.holder = holder
    record.durationSeconds = seconds
    record.acquireTime = "a"
    record.renewTime = renewed
    record.transitions = transitions
    record.resourceVersion = "\(version)"
    return record
}

/// The candidate is "me", with the default timing of 15 s, 10 s and 2 s.
@Suite struct LeaseMachineTests {
    private func candidate() -> Machine {
        var machine = Machine(identity: "me", timing: LeaseTiming(), now: at(0))
        #expect(machine.advance(.start, at: at(0)) == .get)
        return machine
    }

    /// Returns a candidate that leads since 0 with version 1 of the lease.
    private func leader() -> Machine {
        var machine = candidate()
        #expect(machine.advance(.notFound, at: at(0)) == .create(claim(transitions: 0)))
        #expect(machine.advance(.written(ownRecord(1)), at: at(0.5)) == .wait(until: at(2)))
        #expect(machine.isLeading)
        return machine
    }

    private func ownRecord(_ version: Int, transitions: Int = 0) -> LeaseRecord {
        record("me", version: version, renewed: "r\(version)", transitions: transitions)
    }

    private func claim(transitions: Int, acquired: String? = nil) -> LeaseClaim {
        LeaseClaim(holder: "me", durationSeconds: 15, transitions: transitions, acquireTime: acquired)
    }

    /// Other writers can write any number; the API server accepts 32 bits.
    @Test(arguments: [Int.max, Int.max - 1, Int(Int32.max), Int.min, -1])
    func takesALeaseWithAnyNumberOfTransitions(number: Int) {
        let limit = Int(Int32.max)
        var machine = candidate()
        let released = machine.advance(
            .found(record("", version: 4, seconds: number, transitions: number)), at: at(1))
        let next = min(max(number, 0), limit - 1) + 1
        #expect(released == .update(claim(transitions: next), over: "4"))
        var standby = candidate()
        let held = standby.advance(
            .found(record("other", version: 4, seconds: number, transitions: number)), at: at(1))
        #expect(held == .wait(until: at(3)))
        // The candidate holds the lease itself.
        var own = candidate()
        let renewal = own.advance(.found(record("me", version: 4, transitions: number)), at: at(1))
        #expect(renewal == .update(claim(transitions: min(max(number, 0), limit), acquired: "a"), over: "4"))
    }

    @Test func createsAMissingLeaseAndTakesAReleasedOneAtOnce() {
        #expect(leader().deadline == at(10), "measured from the request, not from its response")
        var machine = candidate()
        #expect(
            machine.advance(.found(record("", version: 4)), at: at(1))
                == .update(claim(transitions: 4), over: "4"))
        #expect(!machine.isLeading)
        _ = machine.advance(.written(ownRecord(5)), at: at(1.5))
        #expect(machine.deadline == at(11))
    }

    @Test func takesAHeldLeaseOnlyAfterItsDurationWithoutARenewal() {
        var machine = candidate()
        #expect(machine.advance(.found(record("other", version: 4)), at: at(1)) == .wait(until: at(3)))
        #expect(machine.advance(.waitEnded, at: at(3)) == .get)
        #expect(
            machine.advance(.found(record("other", version: 5, renewed: "r2")), at: at(4))
                == .wait(until: at(6)))
        #expect(machine.advance(.waitEnded, at: at(6)) == .get)
        // Another writer added an annotation.
        #expect(
            machine.advance(.found(record("other", version: 6, renewed: "r2")), at: at(18))
                == .wait(until: at(19)),
            "not after the expiry")
        #expect(machine.advance(.waitEnded, at: at(19)) == .get)
        #expect(
            machine.advance(.found(record("other", version: 6, renewed: "r2")), at: at(19))
                == .update(claim(transitions: 4), over: "6"))
    }

    @Test(arguments: [(40, 41.0), (nil, 16), (0, 16), (-5, 16)])
    func usesTheDurationOfTheHolderOrItsOwn(seconds: Int?, expiry: Double) {
        var machine = candidate()
        let other = record("other", version: 4, seconds: seconds)
        _ = machine.advance(.found(other), at: at(1))
        _ = machine.advance(.waitEnded, at: at(expiry - 0.1))
        #expect(machine.advance(.found(other), at: at(expiry - 0.1)) == .wait(until: at(expiry)))
        _ = machine.advance(.waitEnded, at: at(expiry))
        #expect(machine.advance(.found(other), at: at(expiry)) == .update(claim(transitions: 4), over: "4"))
    }

    @Test func waitsAfterItLosesTheRaceForTheLease() {
        var machine = candidate()
        _ = machine.advance(.found(record("", version: 4, renewed: "2199-01-01T00:00:00Z")), at: at(1))
        #expect(machine.advance(.conflict, at: at(2)) == .wait(until: at(4)))
        #expect(!machine.isLeading)
        #expect(machine.resign(at: at(3)) == .get, "an earlier claim may have won the race")
        #expect(machine.advance(.found(record("other", version: 5)), at: at(3.1)) == .stop)
    }

    /// The request of the first claim timed out, and reached the server after the next read.
    @Test func releasesALeaseThatALateClaimHasTaken() {
        var machine = candidate()
        #expect(machine.advance(.notFound, at: at(0)) == .create(claim(transitions: 0)))
        _ = machine.advance(.failed, at: at(5))
        #expect(machine.advance(.waitEnded, at: at(5)) == .get)
        #expect(machine.advance(.notFound, at: at(5.1)) == .create(claim(transitions: 0)))
        _ = machine.advance(.conflict, at: at(5.2))
        #expect(machine.resign(at: at(5.3)) == .get)
        #expect(machine.advance(.found(ownRecord(1)), at: at(5.4)) == released(over: "1"))
    }

    @Test func renewsWithTheSameAcquireTimeAndTransitions() {
        var machine = leader()
        #expect(
            machine.advance(.waitEnded, at: at(2)) == .update(claim(transitions: 0, acquired: "a"), over: "1")
        )
        #expect(machine.advance(.written(ownRecord(2)), at: at(2.1)) == .wait(until: at(4)))
        #expect(machine.deadline == at(12))
    }

    @Test func retriesFailedRenewalsUntilTheDeadline() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(2))
        #expect(machine.advance(.failed, at: at(2.1)) == .wait(until: at(4)))
        _ = machine.advance(.waitEnded, at: at(4))
        #expect(
            machine.advance(.failed, at: at(9)) == .wait(until: at(9)),
            "a slow request is retried at once")
        _ = machine.advance(.waitEnded, at: at(9))
        #expect(machine.advance(.failed, at: at(9.5)) == .wait(until: at(10)), "not beyond the deadline")
        #expect(machine.advance(.waitEnded, at: at(10)) == .stop)
        #expect(!machine.isLeading)
    }

    @Test func stopsWhenAResponseArrivesAfterTheDeadline() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(9))
        #expect(machine.advance(.written(ownRecord(2)), at: at(10)) == .stop)
        var standby = candidate()
        _ = standby.advance(.notFound, at: at(0))
        #expect(standby.advance(.written(ownRecord(1)), at: at(10)) == .wait(until: at(10)))
        #expect(!standby.isLeading)
    }

    @Test func countsAWriteThatChangedNothingAsAFailure() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(2))
        #expect(machine.advance(.written(ownRecord(1)), at: at(2.1)) == .wait(until: at(4)))
        #expect(machine.deadline == at(10))
    }

    @Test func readsTheLeaseAfterAConflict() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(2))
        #expect(machine.advance(.conflict, at: at(2.1)) == .get)
        #expect(
            machine.advance(.found(ownRecord(7)), at: at(2.2))
                == .update(claim(transitions: 0, acquired: "a"), over: "7"))
        _ = machine.advance(.written(ownRecord(8)), at: at(2.3))
        #expect(machine.deadline == at(12.2))
        _ = machine.advance(.waitEnded, at: at(4))
        _ = machine.advance(.conflict, at: at(4.1))
        #expect(machine.advance(.found(record("other", version: 9)), at: at(4.2)) == .stop)
        #expect(machine.resign(at: at(4.3)) == .stop, "another candidate holds the lease")
    }

    @Test func findsAndReleasesAClaimWhoseResponseWasLost() {
        var machine = candidate()
        _ = machine.advance(.found(record("", version: 4)), at: at(1))
        #expect(machine.advance(.failed, at: at(2)) == .wait(until: at(3)))
        var leaving = machine
        _ = machine.advance(.waitEnded, at: at(3))
        #expect(
            machine.advance(.found(ownRecord(5)), at: at(3.1))
                == .update(claim(transitions: 0, acquired: "a"), over: "5"))
        #expect(leaving.resign(at: at(2.5)) == .get)
        #expect(leaving.advance(.found(ownRecord(5)), at: at(2.6)) == released(over: "5"))
        #expect(leaving.advance(.written(record("", version: 6)), at: at(2.7)) == .stop)
    }

    private func released(over version: String) -> Machine.Effect {
        .update(LeaseClaim(holder: "", durationSeconds: 1, transitions: 0), over: version)
    }

    @Test func releasesOnlyALeaseThatItHolds() {
        var machine = leader()
        #expect(machine.resign(at: at(3)) == released(over: "1"))
        #expect(machine.advance(.conflict, at: at(3.1)) == .get)
        var taken = machine
        #expect(machine.advance(.found(ownRecord(2)), at: at(3.2)) == released(over: "2"))
        #expect(taken.advance(.found(record("other", version: 9)), at: at(3.2)) == .stop)
        #expect(machine.advance(.failed, at: at(4)) == .stop)
    }

    @Test func waitsForTheExpiryOfADeletedLease() {
        var machine = candidate()
        _ = machine.advance(.found(record("other", version: 4)), at: at(1))
        _ = machine.advance(.waitEnded, at: at(3))
        #expect(machine.advance(.notFound, at: at(3)) == .wait(until: at(5)))
        _ = machine.advance(.waitEnded, at: at(16))
        #expect(machine.advance(.notFound, at: at(16)) == .create(claim(transitions: 4)))

        var holder = leader()
        _ = holder.advance(.waitEnded, at: at(2))
        #expect(holder.advance(.conflict, at: at(2.1)) == .get)
        #expect(holder.advance(.notFound, at: at(2.2)) == .create(claim(transitions: 0, acquired: "a")))
        _ = holder.advance(.written(ownRecord(12)), at: at(2.3))
        #expect(holder.deadline == at(12.2))
    }

    @Test func jitterShortensThePausesOfAStandby() {
        var machine = candidate()
        #expect(
            machine.advance(.found(record("other", version: 4)), at: at(1), jitter: 0.9)
                == .wait(until: at(2.8)))
    }

    @Test(
        arguments: [
            (15, 10, 2, nil), (15, 15, 2, "shorter than the lease duration"),
            (15, 10, 9, "1.2 times the retry period"), (15, 10, 0, "more than 0"),
            (0.5, 0.2, 0.1, "whole seconds"),
            (1.5, 1, 0.1, "whole seconds"), (2, 1, 0.5, nil),
        ] as [(Double, Double, Double, String?)])
    func refusesUnsafeTimings(lease: Double, deadline: Double, retry: Double, problem: String?) {
        var timing = LeaseTiming()
        timing.leaseDuration = .seconds(lease)
        timing.renewDeadline = .seconds(deadline)
        timing.retryPeriod = .seconds(retry)
        if let problem {
            #expect(timing.problem?.contains(problem) == true, "\(timing.problem ?? "nothing")")
        } else {
            #expect(timing.problem == nil)
        }
    }
}
