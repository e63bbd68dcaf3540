import Envelope
import System
import TestSupport
import Testing

@testable import KMS

struct CircuitBreakerTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }
    private let sealed = KeyManagerError(.unavailable, keyID: "k", message: "sealed")
    private let denied = KeyManagerError(.accessDenied, keyID: "k", message: "denied")

    @Test func allowsAllRequestsWhileClosed() {
        var breaker = CircuitBreakerMachine()
        for _ in 0..<10 { #expect(breaker.admit(now: start) == .allow) }
        #expect(breaker.succeeded() == false)
    }

    @Test func allowsOneTrialAtATimeWhileOpen() {
        var breaker = CircuitBreakerMachine()
        breaker.failed(sealed, wasTrial: false, now: start, random: 0)
        #expect(breaker.admit(now: at(0.1)) == .reject(sealed))
        #expect(breaker.admit(now: at(0.125)) == .trial)
        #expect(breaker.admit(now: at(0.125)) == .reject(sealed))
        #expect(breaker.nextTrial == nil)
        #expect(breaker.succeeded() == true)
        #expect(breaker.admit(now: at(0.2)) == .allow)
    }

    /// An outage of an hour.
    @Test func increasesThePausesBetweenTrialsUpToAMaximum() {
        for (error, longest) in [(sealed, 3.0), (denied, 30.0)] {
            var breaker = CircuitBreakerMachine()
            breaker.failed(error, wasTrial: false, now: start, random: 0.999)
            var trials: [Double] = []
            var now = 0.0
            while now < 3600 {
                if breaker.admit(now: at(now)) == .trial {
                    trials.append(now)
                    breaker.failed(error, wasTrial: true, now: at(now), random: 0.999)
                }
                now += 0.05
            }
            let pauses = zip(trials, trials.dropFirst()).map { $1 - $0 }
            #expect(pauses.allSatisfy { $0 <= longest + 0.1 })
            #expect(pauses.first.map { $0 < 1 } == true)
            #expect(Double(trials.count) > 3600 / (longest + 0.1))
            #expect(Double(trials.count) < 3600 / longest + 10)
        }
    }

    @Test func waitsForTheRetryAfterOfTheServerUpToAMinute() {
        var breaker = CircuitBreakerMachine()
        let error = KeyManagerError(.throttled, keyID: "k", message: "slow", retryAfter: .seconds(7))
        breaker.failed(error, wasTrial: false, now: start, random: 0)
        #expect(breaker.nextTrial == at(7))
        breaker = CircuitBreakerMachine()
        let absurd = KeyManagerError(.throttled, keyID: "k", message: "slow", retryAfter: .seconds(86_400))
        breaker.failed(absurd, wasTrial: false, now: start, random: 0)
        #expect(breaker.nextTrial == at(60))
    }

    @Test func lateFailuresDoNotProlongAPause() {
        var breaker = CircuitBreakerMachine()
        breaker.failed(sealed, wasTrial: false, now: start, random: 0)
        for _ in 0..<50 { breaker.failed(sealed, wasTrial: false, now: at(0.1), random: 1) }
        #expect(breaker.nextTrial == at(0.125))
        #expect(breaker.admit(now: at(1)) == .trial)
        breaker.failed(sealed, wasTrial: false, now: at(1), random: 0)
        #expect(breaker.admit(now: at(9)) == .reject(sealed))
    }

    @Test func allowsAnotherTrialAfterAnAbandonedOne() {
        var breaker = CircuitBreakerMachine()
        breaker.failed(sealed, wasTrial: false, now: start, random: 0)
        #expect(breaker.admit(now: at(1)) == .trial)
        breaker.trialAbandoned(now: at(2))
        #expect(breaker.admit(now: at(2)) == .trial)
    }

    // MARK: probes

    /// The name of the request that the breaker sends as its probe, once the time of a trial has come.
    private func nameOfProbe(
        _ breaker: CircuitBreaker<ScriptedBatchKeyManager>, _ base: ScriptedBatchKeyManager
    ) async -> String? {
        let count = base.batches.elements.count
        let task = Task { await breaker.probe {} }
        await base.batches.wait(for: count + 1)
        task.cancel()
        await task.value
        return base.batches.elements.dropFirst(count).first?.first?.binding.name
    }

    private func request(_ name: String) throws -> UnwrapRequest {
        UnwrapRequest(sampleRecipient, try binding(name))
    }

    /// The cause may be one slow key, whose request as the probe would prolong the outage for all.
    @Test func probesWithTheNewestRejectedRequest() async throws {
        let base = ScriptedBatchKeyManager()
        base.slow.withLock { $0 = ["slow"] }
        let now = Locked(start)
        let breaker = CircuitBreaker(base) { now.withLock { $0 } }
        _ = await breaker.unwrap([try request("slow")])
        _ = await breaker.unwrap([try request("other")])
        _ = await breaker.unwrap([try request("good")])
        #expect(base.batches.elements.count == 1, "the breaker is open")
        now.withLock { $0 = at(10) }
        #expect(await nameOfProbe(breaker, base) == "good")
    }

    @Test func probesWithTheNewestRequestThatFailed() async throws {
        let base = ScriptedBatchKeyManager()
        base.slow.withLock { $0 = ["slow", "slow-too"] }
        let gate = Gate()
        base.hold.withLock { $0 = gate }
        let now = Locked(start)
        let breaker = CircuitBreaker(base) { now.withLock { $0 } }
        let late = try request("slow-too")
        async let last = breaker.unwrap([late])
        await base.batches.wait(for: 1)
        base.hold.withLock { $0 = nil }
        _ = await breaker.unwrap([try request("slow")])
        gate.open()
        _ = await last
        now.withLock { $0 = at(10) }
        #expect(await nameOfProbe(breaker, base) == "slow-too")
    }

    @Test func aTrialThatFailsDoesNotReplaceANewerRequest() async throws {
        let base = ScriptedBatchKeyManager()
        base.slow.withLock { $0 = ["slow"] }
        let now = Locked(start)
        let breaker = CircuitBreaker(base) { now.withLock { $0 } }
        _ = await breaker.unwrap([try request("slow")])
        now.withLock { $0 = at(10) }
        let gate = Gate()
        base.hold.withLock { $0 = gate }
        let slow = try request("slow")
        async let trial = breaker.unwrap([slow])
        await base.batches.wait(for: 2)
        base.hold.withLock { $0 = nil }
        _ = await breaker.unwrap([try request("good")])
        gate.open()
        _ = await trial
        now.withLock { $0 = at(20) }
        #expect(await nameOfProbe(breaker, base) == "good")
    }
}
