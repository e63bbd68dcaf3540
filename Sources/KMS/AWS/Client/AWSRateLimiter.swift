import Concurrency
import System

/// Delays requests to KMS to keep this process below its rate. Safe to use from many tasks.
final class AWSRateLimiter: Sendable {
    private let rate: Locked<AWSAdaptiveRate>
    private let clock: ClientClock

    init(maximum: Int, clock: ClientClock = ClientClock()) {
        rate = Locked(AWSAdaptiveRate(maximum: Double(maximum), now: clock.now()))
        self.clock = clock
    }

    /// Waits until a request may be sent.
    ///
    /// - Throws: `.locallyThrottled`, at once, if that takes longer than `timeout`; `.cancelled`.
    func acquire(within timeout: Duration) async throws(AWSRequestError) {
        let now = clock.now()
        switch rate.withLock({ $0.reserve(now: now, timeout: timeout) }) {
        case .granted(let delay):
            guard delay > .zero else { return }
            do {
                try await clock.sleep(delay)
            } catch {
                throw AWSRequestError(.cancelled, "cancelled while waiting for the rate limiter of AWS KMS")
            }
        case .rejected(let wait):
            let limit = max(Int(rate.withLock { $0.rate }), 1)
            throw AWSRequestError(
                .locallyThrottled,
                "local rate limit: this process sends AWS KMS at most \(limit) requests per second, because KMS "
                    + "throttled it or because of \(AWSSettings.maximumRateVariable); the request will be retried",
                retryAfter: wait)
        }
    }

    func recordThrottling() {
        let now = clock.now()
        rate.withLock { $0.recordThrottling(now: now) }
    }
}

/// A request rate that KMS's throttling halves and that recovers step by step.
///
/// All callers in an account and Region share KMS's quota, AWS's own services among them. So this process stays below a
/// limit of its own, and slows down as a whole when KMS throttles one request.
struct AWSAdaptiveRate: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Reservation: Equatable {
        case granted(after: Duration)
        /// The request cannot be sent within its timeout; it could be after `wait`.
        case rejected(wait: Duration)
    }

    /// The configured limit in requests per second.
    let maximumRate: Double
    /// The current limit in requests per second.
    private(set) var rate: Double {
        didSet { bucket.interval = .seconds(1 / rate) }
    }

    /// An idle limiter lets a burst of this many seconds' worth of requests through.
    static let burstSeconds = 0.25
    static let minimumRate = 1.0
    /// Throttled responses to requests that were already in flight do not halve the rate again.
    static let decreaseInterval = Duration.seconds(1)

    private var bucket: TokenBucket<Instant>
    private var decreasedAt: Instant?
    private var recoveredAt: Instant?
    private var second: Instant?
    private var sentThisSecond = 0
    private var sentLastSecond = 0

    init(maximum: Double, now: Instant) {
        maximumRate = maximum
        rate = maximum
        bucket = TokenBucket(interval: .seconds(1 / maximum), burst: .seconds(Self.burstSeconds), now: now)
    }

    mutating func reserve(now: Instant, timeout: Duration) -> Reservation {
        recover(now: now)
        guard let wait = bucket.reserve(at: now, waitingLessThan: timeout) else {
            return .rejected(wait: max(now.duration(to: bucket.time()), .zero))
        }
        countSent(1, now: now)
        return .granted(after: wait)
    }

    /// Halves the rate at which requests were really sent.
    mutating func recordThrottling(now: Instant) {
        recover(now: now)
        if let decreasedAt, decreasedAt.duration(to: now) < Self.decreaseInterval { return }
        countSent(0, now: now)
        // There is no burst after throttling.
        bucket.drain(at: now)
        let sent = Double(max(sentLastSecond, sentThisSecond))
        rate = max(Self.minimumRate, min(rate, max(sent, Self.minimumRate)) / 2)
        decreasedAt = now
        recoveredAt = now
    }

    /// Raises the rate by a fifth and by one for each second without throttling.
    private mutating func recover(now: Instant) {
        while rate < maximumRate, let last = recoveredAt, last.duration(to: now) >= .seconds(1) {
            rate = min(maximumRate, rate * 1.2 + 1)
            recoveredAt = last + .seconds(1)
        }
    }

    private mutating func countSent(_ count: Int, now: Instant) {
        let elapsed = second.map { $0.duration(to: now) } ?? .seconds(2)
        if elapsed >= .seconds(1) {
            sentLastSecond = elapsed < .seconds(2) ? sentThisSecond : 0
            sentThisSecond = 0
            second = now
        }
        sentThisSecond += count
    }
}
