/// When a token is renewed, replaced and thrown away. Pure: instants and jitter come in, steps go out.
///
/// No state is absorbing: a failed login or renewal is tried again after a pause, and a token that is still
/// valid serves meanwhile.
struct TokenLeaseMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Flight: Equatable, Sendable { case login, renewal }

    enum Step: Equatable, Sendable {
        /// The token is good.
        case serve
        /// The token is good, and this flight is to be started beside it.
        case serveAndStart(Flight)
        /// There is no token; this login is to be started and waited for.
        case start
        /// There is no token, and a flight that will tell is under way.
        case wait
        /// The last login failed, and the next one is not due.
        case fail
    }

    private struct Lease: Sendable {
        /// When it is not used any more; nil: never.
        var expiresAt: Instant?
        var renewAt: Instant?
        var isRenewable: Bool
        /// What the login gave; renewals that give much less mean that its end is near.
        var fullDuration: Duration
    }

    private var lease: Lease?
    private var flight: Flight?
    private var failures = 0
    private var retryAt: Instant?
    /// By path: what one policy denies says nothing about a token that served elsewhere.
    private var refusals: [String: (count: Int, loginAt: Instant)] = [:]
    /// Of the token that the lease is for.
    private(set) var generation: UInt64 = 0

    static let renewsAt = 0.6...0.7
    /// The rest is for requests on their way: a token that ends before they arrive is as good as none.
    static let servesFor = 0.9
    static let longestRetry = Duration.seconds(60)
    /// As long as it may only be an outage: recovery must not wait for us.
    static let longestRetryInOutage = Duration.seconds(2)

    /// Somebody wants a token.
    mutating func demand(now: Instant) -> Step {
        let isPausing = retryAt.map { now < $0 } ?? false
        guard let lease, lease.expiresAt.map({ now < $0 }) ?? true else {
            lease = nil
            if flight != nil { return .wait }
            if isPausing { return .fail }
            flight = .login
            return .start
        }
        guard flight == nil, !isPausing, let renewAt = lease.renewAt, now >= renewAt else { return .serve }
        let next: Flight = lease.isRenewable ? .renewal : .login
        flight = next
        return .serveAndStart(next)
    }

    /// The flight that was sent at `now` got a lease of `duration`, zero: for ever. `jitter`: 0..<1. Returns the flight to
    /// start now for those who wait; nil: they have their token.
    @discardableResult
    mutating func granted(
        _ duration: Duration, isRenewable: Bool, now: Instant, jitter: Double
    ) -> Flight? {
        let isRenewal = flight == .renewal
        flight = nil
        failures = 0
        retryAt = nil
        if !isRenewal { generation += 1 }
        guard duration > .zero else {
            // A renewal that gives nothing, down to the second, has met the token's maximum; it is over.
            let isOver = isRenewal && lease?.fullDuration != .zero
            // Somebody came for a token after this one had ended.
            if isOver, lease == nil { flight = .login }
            lease = isOver ? nil : Lease(isRenewable: false, fullDuration: .zero)
            return flight
        }
        let full = isRenewal ? lease?.fullDuration ?? duration : duration
        let share = Self.renewsAt.lowerBound + (Self.renewsAt.upperBound - Self.renewsAt.lowerBound) * jitter
        lease = Lease(
            expiresAt: now + duration * Self.servesFor, renewAt: now + duration * share,
            // A lease that shrinks runs into its maximum: the next token comes from a login.
            isRenewable: isRenewable && duration * 3 >= full * 2, fullDuration: full)
        return nil
    }

    /// The flight failed. `isOutage`: Vault did not serve; otherwise it refused. Returns the flight to start now for
    /// those who wait; nil: they are told of the failure.
    mutating func failed(isOutage: Bool, now: Instant, jitter: Double) -> Flight? {
        let wasRenewal = flight == .renewal
        flight = nil
        if wasRenewal, !isOutage {
            // The token may be dead, or may not renew itself: a login tells, at once.
            retryAt = nil
            lease?.isRenewable = false
            // Somebody came for a token after this one had ended.
            if lease == nil { flight = .login }
            return flight
        }
        failures += 1
        let longest = isOutage ? Self.longestRetryInOutage : Self.longestRetry
        let pause = min(Duration.milliseconds(500) * (1 << min(failures - 1, 8)), longest)
        retryAt = now + pause * (0.5 + jitter / 2)
        return nil
    }

    /// Vault answered 403 to a token at a path. Whether a newer one is there or may be had. A policy that says
    /// no must not become a storm of logins, so that they keep growing pauses.
    mutating func refused(generation refused: UInt64, path: String, now: Instant) -> Bool {
        guard refused == generation, lease != nil else { return true }
        let previous = refusals[path]
        if let previous, now < previous.loginAt { return false }
        lease = nil
        retryAt = nil
        let count = previous?.count ?? 0
        refusals[path] = (count + 1, now + min(.seconds(10) * (1 << min(count, 5)), .seconds(300)))
        return true
    }

    /// Vault served a request at the path with the token.
    mutating func worked(generation: UInt64, path: String) {
        if generation == self.generation { refusals[path] = nil }
    }

    /// When `demand` has something to do for a token that nobody asks for.
    var nextRenewal: Instant? {
        guard flight == nil, let renewAt = lease?.renewAt else { return nil }
        return max(renewAt, retryAt ?? renewAt)
    }
}
