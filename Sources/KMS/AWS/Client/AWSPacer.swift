import Primitives

/// Holds requests back as `AWSPace` says. Safe to use from many tasks.
final class AWSPacer: Sendable {
    private let pace: Locked<AWSPace>
    private let clock: AWSClock

    init(maximum: Int, clock: AWSClock = AWSClock()) {
        pace = Locked(AWSPace(maximum: Double(maximum)))
        self.clock = clock
    }

    /// Returns when a request may go.
    ///
    /// Errors: `.heldBack`, at once, when that is not within `patience`; `.cancelled`.
    func admit(within patience: Duration) async throws(AWSCallError) {
        let now = clock.now()
        switch pace.withLock({ $0.admit(now: now, patience: patience) }) {
        case .go(let delay):
            guard delay > .zero else { return }
            do {
                try await clock.sleep(delay)
            } catch {
                throw AWSCallError(.cancelled, "cancelled while waiting for its turn to ask AWS")
            }
        case .refuse(let wait):
            let rate = Int(pace.withLock { $0.rate })
            throw AWSCallError(
                .heldBack,
                "held back: this process asks AWS KMS \(max(rate, 1)) times a second at most, because KMS throttled "
                    + "it or by \(AWSSettings.maximumRate), and more is waiting than that; it is tried again",
                retryAfter: wait)
        }
    }

    func throttled() {
        let now = clock.now()
        pace.withLock { $0.throttled(now: now) }
    }
}
