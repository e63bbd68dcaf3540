/// When credentials are fetched, served and thrown away. Pure: instants and jitter come in, steps go out.
///
/// No state is absorbing: a fetch that failed is tried again after a pause, and credentials that have not
/// ended serve meanwhile.
struct AWSCredentialsMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Step: Equatable, Sendable {
        /// What is at hand is good.
        case serve
        /// What is at hand is good, and a fetch is to be started beside it.
        case serveAndRefresh
        /// Nothing is at hand; a fetch is to be started and waited for.
        case refresh
        /// Nothing is at hand, and a fetch that will tell is under way.
        case wait
        /// The last fetch failed, and the next one is not due.
        case fail
    }

    private struct Lease: Sendable {
        /// nil: they do not end.
        var expiresAt: Instant?
        var refreshAt: Instant?
    }

    private var lease: Lease?
    private var isFetching = false
    private var failures = 0
    private var retryAt: Instant?
    private var refusals = 0
    private var fetchAfterRefusalAt: Instant?
    /// Of the credentials that the lease is for.
    private(set) var generation: UInt64 = 0

    /// How long before their end new ones are asked for, as the SDKs do; of short lives a quarter.
    static let refreshMargin = Duration.seconds(15 * 60)
    /// A request takes its time: what ends before it arrives is as good as ended. Of short lives a tenth.
    static let expirationMargin = Duration.seconds(10)
    /// Whatever a source says, it is asked this much later again at the earliest.
    static let minimumRefreshInterval = Duration.seconds(1)
    /// While there is nothing to serve and the source is only away: recovery must not wait for us.
    static let maximumRetryDelayInOutage = Duration.seconds(5)
    static let maximumRetryDelay = Duration.seconds(60)

    /// Somebody wants credentials.
    mutating func request(now: Instant) -> Step {
        let isPausing = retryAt.map { now < $0 } ?? false
        guard let lease, lease.expiresAt.map({ now < $0 }) ?? true else {
            lease = nil
            if isFetching { return .wait }
            if isPausing { return .fail }
            isFetching = true
            return .refresh
        }
        guard !isFetching, !isPausing, let refreshAt = lease.refreshAt, now >= refreshAt else {
            return .serve
        }
        isFetching = true
        return .serveAndRefresh
    }

    /// The fetch gave credentials that live for `lifetime` from `now` on; nil: for ever. `jitter`: 0..<1,
    /// spreads what started together.
    mutating func renewed(_ lifetime: Duration?, now: Instant, jitter: Double) {
        isFetching = false
        failures = 0
        retryAt = nil
        generation += 1
        guard let lifetime else {
            lease = Lease()
            return
        }
        let ahead = min(Self.refreshMargin, lifetime / 4) * (1 - 0.2 * jitter)
        lease = Lease(
            expiresAt: now + lifetime - min(Self.expirationMargin, lifetime / 10),
            refreshAt: now + max(lifetime - ahead, Self.minimumRefreshInterval))
    }

    /// The fetch failed. `isOutage`: the source did not serve; otherwise somebody has to change something.
    /// `retryAfter`: what the source asked for.
    mutating func failed(isOutage: Bool, retryAfter: Duration? = nil, now: Instant, jitter: Double) {
        isFetching = false
        failures += 1
        let hasCredentials = lease.map { $0.expiresAt.map { now < $0 } ?? true } ?? false
        let longest = isOutage && !hasCredentials ? Self.maximumRetryDelayInOutage : Self.maximumRetryDelay
        let pause = min(Duration.milliseconds(500) * (1 << min(failures - 1, 8)), longest)
        let asked = min(retryAfter ?? .zero, Self.maximumRetryDelay)
        retryAt = now + max(pause * (0.5 + jitter / 2), asked)
    }

    /// AWS refused the credentials of this generation. Whether others are there or may be had. A key that is
    /// no good must not become a storm of fetches, so that they keep growing pauses.
    mutating func invalidate(generation refused: UInt64, now: Instant) -> Bool {
        guard refused == generation, lease != nil else { return true }
        if let earliest = fetchAfterRefusalAt, now < earliest { return false }
        lease = nil
        retryAt = nil
        // What worked for an hour since is another story.
        if let last = fetchAfterRefusalAt, now > last + .seconds(3600) { refusals = 0 }
        fetchAfterRefusalAt = now + min(.seconds(10) * (1 << min(refusals, 5)), .seconds(300))
        refusals += 1
        return true
    }
}
