import TestSupport
import Testing

@testable import Controller

typealias Machine = LeaseMachine<ManualClock.Instant>

/// To the microsecond.
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

/// 15 s, 10 s, 2 s. Candidate "me".
@Suite struct LeaseMachineTests {
    private func candidate() -> Machine {
        var machine = Machine(identity: "me", timing: LeaseTiming(), now: at(0))
        #expect(machine.advance(.start, at: at(0)) == .get)
        return machine
    }

    /// Leads since 0, by version 1.
    private func leader() -> Machine {
        var machine = candidate()
        #expect(machine.advance(.notFound, at: at(0)) == .create(claim(transitions: 0)))
        #expect(machine.advance(.written(mine(1)), at: at(0.5)) == .wait(until: at(2)))
        #expect(machine.isLeading)
        return machine
    }

    private func mine(_ version: Int, transitions: Int = 0) -> LeaseRecord {
        record("me", version: version, renewed: "r\(version)", transitions: transitions)
    }

    private func claim(transitions: Int, acquired: String? = nil) -> LeaseClaim {
        LeaseClaim(holder: "me", durationSeconds: 15, transitions: transitions, acquireTime: acquired)
    }

    /// Whoever may write the lease writes what it likes; the API server takes 32 bits back.
    @Test("Any number in a lease is taken", arguments: [Int.max, Int.max - 1, Int(Int32.max), Int.min, -1])
    func numbers(number: Int) {
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
        // Of a lease that it holds itself.
        var own = candidate()
        let mine = own.advance(.found(record("me", version: 4, transitions: number)), at: at(1))
        #expect(mine == .update(claim(transitions: min(max(number, 0), limit), acquired: "a"), over: "4"))
    }

    @Test("A lease that nobody has is created, one that was released is taken at once")
    func free() {
        #expect(leader().deadline == at(10), "counted from the request, not from its answer")
        var machine = candidate()
        #expect(
            machine.advance(.found(record("", version: 4)), at: at(1))
                == .update(claim(transitions: 4), over: "4"))
        #expect(!machine.isLeading)
        _ = machine.advance(.written(mine(5)), at: at(1.5))
        #expect(machine.deadline == at(11))
    }

    @Test("One that is held is left alone for as long as it was promised after the last sign of life")
    func held() {
        var machine = candidate()
        #expect(machine.advance(.found(record("other", version: 4)), at: at(1)) == .wait(until: at(3)))
        #expect(machine.advance(.waitEnded, at: at(3)) == .get)
        #expect(
            machine.advance(.found(record("other", version: 5, renewed: "r2")), at: at(4))
                == .wait(until: at(6)))
        #expect(machine.advance(.waitEnded, at: at(6)) == .get)
        // Somebody put an annotation on it.
        #expect(
            machine.advance(.found(record("other", version: 6, renewed: "r2")), at: at(18))
                == .wait(until: at(19)),
            "no later than it expires")
        #expect(machine.advance(.waitEnded, at: at(19)) == .get)
        #expect(
            machine.advance(.found(record("other", version: 6, renewed: "r2")), at: at(19))
                == .update(claim(transitions: 4), over: "6"))
    }

    @Test(
        "The promise is the holder's; without one it is our own",
        arguments: [(40, 41.0), (nil, 16), (0, 16), (-5, 16)])
    func promise(seconds: Int?, expiry: Double) {
        var machine = candidate()
        let other = record("other", version: 4, seconds: seconds)
        _ = machine.advance(.found(other), at: at(1))
        _ = machine.advance(.waitEnded, at: at(expiry - 0.1))
        #expect(machine.advance(.found(other), at: at(expiry - 0.1)) == .wait(until: at(expiry)))
        _ = machine.advance(.waitEnded, at: at(expiry))
        #expect(machine.advance(.found(other), at: at(expiry)) == .update(claim(transitions: 4), over: "4"))
    }

    @Test("Who loses the race for it waits; whose clock says what does not matter")
    func race() {
        var machine = candidate()
        _ = machine.advance(.found(record("", version: 4, renewed: "2199-01-01T00:00:00Z")), at: at(1))
        #expect(machine.advance(.conflict, at: at(2)) == .wait(until: at(4)))
        #expect(!machine.isLeading && !machine.mayHoldLease)
        #expect(machine.resign(at: at(3)) == .stop)
    }

    @Test("A leader renews over what it wrote last, keeps the time since when, and counts no transition")
    func renewal() {
        var machine = leader()
        #expect(
            machine.advance(.waitEnded, at: at(2)) == .update(claim(transitions: 0, acquired: "a"), over: "1")
        )
        #expect(machine.advance(.written(mine(2)), at: at(2.1)) == .wait(until: at(4)))
        #expect(machine.deadline == at(12))
    }

    @Test("Failures are outlived until the deadline, which they do not move")
    func failures() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(2))
        #expect(machine.advance(.failed, at: at(2.1)) == .wait(until: at(4)))
        _ = machine.advance(.waitEnded, at: at(4))
        #expect(
            machine.advance(.failed, at: at(9)) == .wait(until: at(9)),
            "what took long is tried again at once")
        _ = machine.advance(.waitEnded, at: at(9))
        #expect(machine.advance(.failed, at: at(9.5)) == .wait(until: at(10)), "not beyond the deadline")
        #expect(machine.advance(.waitEnded, at: at(10)) == .stop)
        #expect(!machine.isLeading)
    }

    @Test("An answer that comes after the deadline is too late")
    func late() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(9))
        #expect(machine.advance(.written(mine(2)), at: at(10)) == .stop)
        var standby = candidate()
        _ = standby.advance(.notFound, at: at(0))
        #expect(standby.advance(.written(mine(1)), at: at(10)) == .wait(until: at(10)))
        #expect(!standby.isLeading)
    }

    @Test("A renewal that changed nothing is none: nobody saw it")
    func frozen() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(2))
        #expect(machine.advance(.written(mine(1)), at: at(2.1)) == .wait(until: at(4)))
        #expect(machine.deadline == at(10))
    }

    @Test("A conflict is looked into: ours is renewed, another's is the end")
    func conflicts() {
        var machine = leader()
        _ = machine.advance(.waitEnded, at: at(2))
        #expect(machine.advance(.conflict, at: at(2.1)) == .get)
        #expect(
            machine.advance(.found(mine(7)), at: at(2.2))
                == .update(claim(transitions: 0, acquired: "a"), over: "7"))
        _ = machine.advance(.written(mine(8)), at: at(2.3))
        #expect(machine.deadline == at(12.2))
        _ = machine.advance(.waitEnded, at: at(4))
        _ = machine.advance(.conflict, at: at(4.1))
        #expect(machine.advance(.found(record("other", version: 9)), at: at(4.2)) == .stop)
        #expect(machine.resign(at: at(4.3)) == .stop, "it is not ours to give back")
    }

    @Test("A claim whose answer was lost is found, and given back by who leaves without having heard")
    func lostClaim() {
        var machine = candidate()
        _ = machine.advance(.found(record("", version: 4)), at: at(1))
        #expect(machine.advance(.failed, at: at(2)) == .wait(until: at(3)))
        var leaving = machine
        _ = machine.advance(.waitEnded, at: at(3))
        #expect(
            machine.advance(.found(mine(5)), at: at(3.1))
                == .update(claim(transitions: 0, acquired: "a"), over: "5"))
        #expect(leaving.resign(at: at(2.5)) == .get)
        #expect(leaving.advance(.found(mine(5)), at: at(2.6)) == released(over: "5"))
        #expect(leaving.advance(.written(record("", version: 6)), at: at(2.7)) == .stop)
    }

    private func released(over version: String) -> Machine.Effect {
        .update(LeaseClaim(holder: "", durationSeconds: 1, transitions: 0), over: version)
    }

    @Test("A leader gives back what it has, also when somebody touched it, and only what it has")
    func release() {
        var machine = leader()
        #expect(machine.resign(at: at(3)) == released(over: "1"))
        #expect(machine.advance(.conflict, at: at(3.1)) == .get)
        var taken = machine
        #expect(machine.advance(.found(mine(2)), at: at(3.2)) == released(over: "2"))
        #expect(taken.advance(.found(record("other", version: 9)), at: at(3.2)) == .stop)
        #expect(machine.advance(.failed, at: at(4)) == .stop)
    }

    @Test("A lease that is deleted under its holder is not taken before what was seen of it has run out")
    func deleted() {
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
        _ = holder.advance(.written(mine(12)), at: at(2.3))
        #expect(holder.deadline == at(12.2))
    }

    @Test("Pauses of those who stand by are shortened by the jitter")
    func jitter() {
        var machine = candidate()
        #expect(
            machine.advance(.found(record("other", version: 4)), at: at(1), jitter: 0.9)
                == .wait(until: at(2.8)))
    }

    @Test(
        "What cannot be safe is refused",
        arguments: [
            (15, 10, 2, nil), (15, 15, 2, "shorter than the lease duration"),
            (15, 10, 9, "1.2 times the retry period"), (15, 10, 0, "more than 0"),
            (0.5, 0.2, 0.1, "whole seconds"),
            (1.5, 1, 0.1, "whole seconds"), (2, 1, 0.5, nil),
        ] as [(Double, Double, Double, String?)])
    func timing(lease: Double, deadline: Double, retry: Double, problem: String?) {
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
