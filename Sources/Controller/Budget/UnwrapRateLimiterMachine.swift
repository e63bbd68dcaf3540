import DequeModule
import KubeClient

/// How many data keys each namespace may still ask for: a token bucket for each, which the objects of the namespace
/// empty and time fills. Pure: instants come in.
///
/// Objects that find no token stand in line, and are told when theirs will be there. Nobody is passed over: a token is
/// for whoever has stood there longest. Whoever leaves the line brings those behind forward.
struct UnwrapRateLimiterMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Wait: Sendable, Equatable {
        let until: Instant
        /// It did not wait before.
        let isFirstForObject: Bool
        /// Nobody of its namespace had to, since the namespace had all its tokens.
        let isFirstInNamespace: Bool
    }

    private struct Bucket: Sendable {
        /// When it has all its tokens again, if none is taken any more.
        var full: Instant
        /// Numbers of those who wait, ascending.
        var line: Deque<UInt64> = []
        /// Whether somebody had to wait since it was full.
        var isSaid = false

        /// How many stand before `number`; nil: it is not there.
        func place(of number: UInt64) -> Int? {
            var (low, high) = (0, line.count)
            while low < high {
                let middle = (low + high) / 2
                if line[middle] < number { low = middle + 1 } else { high = middle }
            }
            return low < line.count && line[low] == number ? low : nil
        }
    }

    /// Until a token comes back.
    private let interval: Duration
    private let burst: Int
    /// Those that are not full, and some that are.
    private var buckets: [String: Bucket] = [:]
    private var numbers: [ObjectRef: UInt64] = [:]
    private var next: UInt64 = 0
    /// Full buckets are dropped when there are so many.
    private var crowded = smallest

    /// Nobody waits longer without looking again, as those before may have left.
    static let maximumWait = Duration.seconds(30)
    private static let smallest = 64

    init(_ limit: UnwrapRateLimit) {
        interval = .seconds(1) / limit.rate
        burst = limit.burst
    }

    /// How many buckets are kept.
    var bucketCount: Int { buckets.count }

    /// Takes a token for `ref`; nil: it has one.
    mutating func acquireToken(_ ref: ObjectRef, now: Instant) -> Wait? {
        dropFull(now: now)
        // Taken out, so that its line is not copied.
        var bucket = buckets.removeValue(forKey: ref.namespace) ?? Bucket(full: now)
        defer { buckets[ref.namespace] = bucket }
        if bucket.full <= now {
            bucket.full = now
            bucket.isSaid = false
        }
        let known = numbers[ref]
        let place = known.flatMap(bucket.place(of:)) ?? bucket.line.count
        // When the tokens before its own and its own are there, if those before take theirs.
        let due = bucket.full - interval * (burst - place - 1)
        guard due > now else {
            bucket.full += interval
            if known != nil {
                bucket.line.remove(at: place)
                numbers[ref] = nil
            }
            return nil
        }
        if known == nil {
            next += 1
            bucket.line.append(next)
            numbers[ref] = next
        }
        let isNews = !bucket.isSaid
        bucket.isSaid = true
        return Wait(
            until: min(due, now + Self.maximumWait), isFirstForObject: known == nil,
            isFirstInNamespace: isNews)
    }

    /// Gives back a token that was taken and not spent.
    mutating func refundToken(_ namespace: String) {
        buckets[namespace]?.full -= interval
    }

    /// `ref` needs no token any more.
    mutating func forget(_ ref: ObjectRef) {
        guard let number = numbers.removeValue(forKey: ref),
            let place = buckets[ref.namespace]?.place(of: number)
        else { return }
        buckets[ref.namespace]?.line.remove(at: place)
    }

    /// How many tokens are there.
    func availableTokens(_ namespace: String, now: Instant) -> Int {
        guard let bucket = buckets[namespace], bucket.full > now else { return burst }
        return max(0, burst - Int(((bucket.full - now) / interval).rounded(.up)))
    }

    private mutating func dropFull(now: Instant) {
        guard buckets.count >= crowded else { return }
        buckets = buckets.filter { $0.value.full > now || !$0.value.line.isEmpty }
        crowded = max(Self.smallest, buckets.count * 2)
    }
}
