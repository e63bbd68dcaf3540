/// When the next request to KMS may go. The quota is shared by everyone in the account and Region, AWS's own
/// services among them: so there is a limit of our own, and whenever KMS throttles one request, all of this process
/// slow down, and recover step by step. Pure.
struct AWSAdaptiveRate: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Reservation: Equatable {
        case granted(after: Duration)
        /// Its turn comes after its time; that many later.
        case rejected(wait: Duration)
    }

    /// Requests per second, never more.
    let maximumRate: Double
    /// Requests per second, now.
    private(set) var rate: Double

    /// Requests that come at once and have been saved up for go at once, as far as this many seconds' worth.
    static let burstSeconds = 0.25
    static let minimumRate = 1.0
    /// Those that were on their way when the rate was halved do not halve it again.
    static let decreaseInterval = Duration.seconds(1)

    /// When the next request is due, were there no saving up.
    private var due: Instant?
    private var halved: Instant?
    /// Up to when the recovery is reckoned.
    private var recovered: Instant?
    private var second: Instant?
    private var sentThisSecond = 0
    private var sentLastSecond = 0

    init(maximum: Double) {
        self.maximumRate = maximum
        rate = maximum
    }

    /// - Parameter patience: The longest that this request can wait.
    mutating func reserve(now: Instant, patience: Duration) -> Reservation {
        recover(now: now)
        let saved = now - .seconds(Self.burstSeconds)
        let start = max(due ?? saved, saved)
        let wait = max(now.duration(to: start), .zero)
        guard wait < patience else { return .rejected(wait: wait) }
        due = start + .seconds(1 / rate)
        count(now: now)
        return .granted(after: wait)
    }

    /// KMS asked to slow down.
    mutating func recordThrottling(now: Instant) {
        recover(now: now)
        if let halved, halved.duration(to: now) < Self.decreaseInterval { return }
        count(now: now, 0)
        let seen = Double(max(sentLastSecond, sentThisSecond))
        rate = max(Self.minimumRate, min(rate, max(seen, Self.minimumRate)) / 2)
        halved = now
        recovered = now
        // What was saved up is spent.
        due = max(due ?? now, now)
    }

    /// A fifth more, and one, for each second without throttling.
    private mutating func recover(now: Instant) {
        while rate < maximumRate, let last = recovered, last.duration(to: now) >= .seconds(1) {
            rate = min(maximumRate, rate * 1.2 + 1)
            recovered = last + .seconds(1)
        }
    }

    private mutating func count(now: Instant, _ more: Int = 1) {
        let elapsed = second.map { $0.duration(to: now) } ?? .seconds(2)
        if elapsed >= .seconds(1) {
            sentLastSecond = elapsed < .seconds(2) ? sentThisSecond : 0
            sentThisSecond = 0
            second = now
        }
        sentThisSecond += more
    }
}
