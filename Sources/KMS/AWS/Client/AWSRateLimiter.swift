import System

/// Holds requests back as `AWSAdaptiveRate` says. Safe to use from many tasks.
final class AWSRateLimiter: Sendable {
    private let pace: Locked<AWSAdaptiveRate>
    private let clock: AWSClock

    init(maximum: Int, clock: AWSClock = AWSClock()) {
        pace = Locked(AWSAdaptiveRate(maximum: Double(maximum)))
        self.clock = clock
    }

    /// Returns when a request may go.
    ///
    /// Errors: `.heldBack`, at once, when that is not within `patience`; `.cancelled`.
    func acquire(within patience: Duration) async throws(AWSRequestError) {
        let now = clock.now()
        switch pace.withLock({ $0.reserve(now: now, patience: patience) }) {
        case .granted(let delay):
            guard delay > .zero else { return }
            do {
                try await clock.sleep(delay)
            } catch {
                throw AWSRequestError(.cancelled, "cancelled while waiting for its turn to ask AWS")
            }
        case .rejected(let wait):
            let rate = Int(pace.withLock { $0.rate })
            throw AWSRequestError(
                .locallyThrottled,
                "held back: this process asks AWS KMS \(max(rate, 1)) times a second at most, because KMS throttled "
                    + "it or by \(AWSSettings.maximumRateVariable), and more is waiting than that; it is tried again",
                retryAfter: wait)
        }
    }

    func recordThrottling() {
        let now = clock.now()
        pace.withLock { $0.recordThrottling(now: now) }
    }
}
