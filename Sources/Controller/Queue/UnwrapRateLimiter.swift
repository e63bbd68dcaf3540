import Concurrency
import DequeModule
import Envelope
import KubeClient
import System

/// The rate at which the objects of one namespace may unwrap data keys: a token bucket for each namespace.
package struct UnwrapRateLimit: Sendable, Equatable {
    /// Tokens added per second.
    package var rate = 50
    /// The capacity of the bucket. A first sync of up to this many objects is not delayed.
    package var burst = 20_000

    package init() {}
}

/// Limits the unwraps of each namespace, so that one cannot use up the KMS; see `UnwrapRateLimiterMachine`. Thread-safe.
final class UnwrapRateLimiter: Sendable {
    private let machine: Locked<UnwrapRateLimiterMachine?>
    private let throttled: @Sendable () -> Void

    /// - Parameters:
    ///   - limit: the rate of each namespace; nil disables the limit.
    ///   - throttled: called once for each unwrap that has to wait.
    init(_ limit: UnwrapRateLimit?, throttled: @escaping @Sendable () -> Void = {}) {
        machine = Locked(limit.map { UnwrapRateLimiterMachine($0) })
        self.throttled = throttled
    }

    /// Takes a token for `ref` from the bucket of its namespace.
    ///
    /// - Returns: nil if `ref` got a token, or how long it has to wait before it tries again.
    func acquireToken(_ ref: ObjectRef) -> UnwrapRateLimiterMachine.Wait? {
        let wait = machine.withLock { $0?.acquireToken(ref, now: .now) }
        if wait?.isFirstForObject == true { throttled() }
        return wait
    }

    /// Takes a token for a request beyond the first one of `ref` that the KMS served. It does not wait for it: the objects after
    /// it do.
    func chargeToken(_ ref: ObjectRef) {
        machine.withLock { $0?.chargeToken(ref.namespace, now: .now) }
    }

    /// Returns the token that `ref` took and did not use.
    func refundToken(_ ref: ObjectRef) {
        machine.withLock { $0?.refundToken(ref.namespace) }
    }

    /// Removes `ref` from the objects that wait for a token.
    func forget(_ ref: ObjectRef) {
        machine.withLock { $0?.forget(ref) }
    }

    /// Returns how many unwraps the namespace may start now.
    func availableTokens(_ namespace: String) -> Int {
        machine.withLock { $0?.availableTokens(namespace, now: .now) } ?? .max
    }
}

extension EnvelopeError {
    /// True if no request reached the KMS, or the KMS did not serve it.
    var refundsUnwrapToken: Bool {
        switch self {
        case .invalid, .unsupportedFormat, .noUsableRecipient: true
        case .keyManager(let error): error.code == .unavailable || error.code == .cancelled
        case .integrityFailed, .decryptFailed, .crypto: false
        }
    }
}

/// A token bucket for each namespace, with a FIFO queue of the objects that wait for a token. A pure state machine: the
/// caller passes the time.
///
/// Objects without a token wait in FIFO order and get the time of their next token. A token goes to the object that has
/// waited longest; when an object leaves the queue, those behind it move up.
struct UnwrapRateLimiterMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Wait: Sendable, Equatable {
        let until: Instant
        /// The object did not wait before.
        let isFirstForObject: Bool
        /// No other object of the namespace has waited since the bucket was last full.
        let isFirstInNamespace: Bool
    }

    private struct Bucket: Sendable {
        var tokens: TokenBucket<Instant>
        /// The tickets of the waiting objects, in ascending order.
        var queue: Deque<UInt64> = []
        /// An object has had to wait since the bucket was last full.
        var hasThrottled = false

        /// Returns the index of `ticket`.
        func position(of ticket: UInt64) -> Int? {
            let position = queue.partitioningIndex { $0 >= ticket }
            return position < queue.count && queue[position] == ticket ? position : nil
        }
    }

    /// The time in which one token is added.
    private let interval: Duration
    private let burst: Int
    /// All buckets that are not full, and some that are: a full bucket equals a new one.
    private var buckets: [String: Bucket] = [:]
    private var tickets: [ObjectRef: UInt64] = [:]
    private var lastTicket: UInt64 = 0
    /// Full buckets are dropped when there are this many.
    private var bucketsBeforeCleanup = minimumBuckets

    /// The longest wait before an object tries again, because objects ahead of it may have left the queue.
    static let maximumWait = Duration.seconds(30)
    private static let minimumBuckets = 64

    init(_ limit: UnwrapRateLimit) {
        interval = .seconds(1) / limit.rate
        burst = limit.burst
    }

    var bucketCount: Int { buckets.count }

    /// Takes a token for `ref`. Returns nil if it got one.
    mutating func acquireToken(_ ref: ObjectRef, now: Instant) -> Wait? {
        dropFullBuckets(now: now)
        // Removed from the dictionary, so that changing its queue does not copy it.
        var bucket = buckets.removeValue(forKey: ref.namespace) ?? Bucket(tokens: fullBucket(now))
        defer { buckets[ref.namespace] = bucket }
        if bucket.tokens.isFull(at: now) {
            bucket.tokens = fullBucket(now)
            bucket.hasThrottled = false
        }
        let ticket = tickets[ref]
        let position = ticket.flatMap(bucket.position(of:)) ?? bucket.queue.count
        // When there are tokens for the objects ahead of this one and for this one.
        let due = bucket.tokens.time(ofTokens: position + 1)
        if due <= now, bucket.tokens.take(at: now) {
            if ticket != nil {
                bucket.queue.remove(at: position)
                tickets[ref] = nil
            }
            return nil
        }
        if ticket == nil {
            lastTicket += 1
            bucket.queue.append(lastTicket)
            tickets[ref] = lastTicket
        }
        let isFirstInNamespace = !bucket.hasThrottled
        bucket.hasThrottled = true
        return Wait(
            until: min(due, now + Self.maximumWait), isFirstForObject: ticket == nil,
            isFirstInNamespace: isFirstInNamespace)
    }

    /// Takes a token that is used already, also if the bucket has none.
    mutating func chargeToken(_ namespace: String, now: Instant) {
        let full = Bucket(tokens: fullBucket(now))
        buckets[namespace, default: full].tokens.charge(at: now)
    }

    /// Adds a token that was taken and not used.
    mutating func refundToken(_ namespace: String) {
        buckets[namespace]?.tokens.giveBack()
    }

    /// Removes `ref` from the queue.
    mutating func forget(_ ref: ObjectRef) {
        guard let ticket = tickets.removeValue(forKey: ref),
            let position = buckets[ref.namespace]?.position(of: ticket)
        else { return }
        buckets[ref.namespace]?.queue.remove(at: position)
    }

    func availableTokens(_ namespace: String, now: Instant) -> Int {
        buckets[namespace]?.tokens.available(at: now) ?? burst
    }

    private func fullBucket(_ now: Instant) -> TokenBucket<Instant> {
        TokenBucket(capacity: burst, interval: interval, now: now)
    }

    private mutating func dropFullBuckets(now: Instant) {
        guard buckets.count >= bucketsBeforeCleanup else { return }
        buckets = buckets.filter { !$0.value.tokens.isFull(at: now) || !$0.value.queue.isEmpty }
        bucketsBeforeCleanup = max(Self.minimumBuckets, buckets.count * 2)
    }
}
