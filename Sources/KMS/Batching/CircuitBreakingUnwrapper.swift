import Concurrency
import Envelope
import System

/// Batches of a key manager behind its circuit breaker.
final class CircuitBreakingUnwrapper<Base: BatchUnwrapping>: Sendable {
    private struct State {
        var breaker = CircuitBreaker()
        /// What failed when the KMS went out: asked again, it tells when the KMS serves again.
        var probe: UnwrapRequest?
        var hasRecovered = false
    }

    private let base: Base
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Locked(State())
    private let alarm = WakeableTimer()

    /// A trial that hangs must not outlast a KMS that is back.
    static var trialTimeout: Duration { .seconds(3) }

    init(_ base: Base, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.base = base
        self.now = now
    }

    /// One result for each request, in their order.
    func unwrap(_ requests: [UnwrapRequest]) async -> [Base.UnwrapResult] {
        let now = now()
        let isTrial: Bool
        switch state.withLock({ $0.breaker.admit(now: now) }) {
        case .reject(let error): return requests.map { _ in .failure(error) }
        case .allow: isTrial = false
        case .trial: isTrial = true
        }
        do throws(KeyManagerError) {
            let results = try await base.unwrap(requests, timeout: isTrial ? Self.trialTimeout : nil)
            succeeded()
            return results
        } catch {
            failed(error, requests.first, wasTrial: isTrial)
            return requests.map { _ in .failure(error) }
        }
    }

    /// Asks the KMS, while the breaker is open, whether it serves again, and tells when it does. Runs until the
    /// task is cancelled.
    func probe(onRecovery: @escaping @Sendable () -> Void) async {
        await alarm.run {
            if let trial = state.withLock({ $0.breaker.nextTrial }), trial <= now(),
                let request = state.withLock({ $0.probe })
            {
                _ = await unwrap([request])
            }
            let (recovered, next) = state.withLock { state in
                defer { state.hasRecovered = false }
                return (state.hasRecovered, state.breaker.nextTrial)
            }
            if recovered { onRecovery() }
            return next
        }
    }

    private func succeeded() {
        let recovered = state.withLock { state in
            guard state.breaker.succeeded() else { return false }
            state.hasRecovered = true
            state.probe = nil
            return true
        }
        if recovered { alarm.signal() }
    }

    private func failed(_ error: KeyManagerError, _ request: UnwrapRequest?, wasTrial: Bool) {
        let now = now()
        let jitter = Double.random(in: 0..<1)
        state.withLock { state in
            if error.code == .cancelled {
                if wasTrial { state.breaker.trialAbandoned(now: now) }
                return
            }
            state.breaker.failed(error, wasTrial: wasTrial, now: now, jitter: jitter)
            if state.probe == nil { state.probe = request }
        }
        alarm.signal()
    }
}
