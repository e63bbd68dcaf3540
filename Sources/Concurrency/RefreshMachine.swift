/// An error of a fetch or a renewal, with what `Refreshing` needs to know of it.
package protocol RefreshFailure: Error {
    /// True if the source does not serve anyone at the moment; false if it rejects the request, so that settings or
    /// permissions have to change.
    var isOutage: Bool { get }
    /// The delay that the source asked for, if it did.
    var retryAfter: Duration? { get }
}

extension RefreshFailure {
    package var retryAfter: Duration? { nil }
}

/// A value and how long it lives.
package struct Grant<Value: Sendable>: Sendable {
    package let value: Value
    /// Nil if the value does not expire. Zero if a renewal reached the end of the value's life.
    package let lifetime: Duration?
    /// True if the value can be renewed: its life is prolonged without another fetch.
    package let isRenewable: Bool
    /// The time after which the source asks to refresh the value, in place of the policy's. Nil if it did not ask.
    package let refreshAfter: Duration?

    package init(
        _ value: Value, lifetime: Duration?, isRenewable: Bool = false, refreshAfter: Duration? = nil
    ) {
        self.value = value
        self.lifetime = lifetime
        self.isRenewable = isRenewable
        self.refreshAfter = refreshAfter
    }
}

/// A value that `Refreshing` serves.
package struct Refreshed<Value: Sendable>: Sendable {
    package let value: Value
    /// Grows with each fetched value, and not with a renewal, so that a late 401 for an old value does not discard its
    /// successor.
    package let generation: UInt64

    package init(value: Value, generation: UInt64) {
        self.value = value
        self.generation = generation
    }
}

/// Decides when a value is fetched, renewed, served and discarded. Pure: instants and random numbers come in, steps go
/// out.
///
/// No state is absorbing: a failed fetch or renewal is repeated after a delay, and a value that has not expired serves
/// meanwhile.
package struct RefreshMachine<Value: Sendable, Failure: RefreshFailure>: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package enum Refresh: Sendable {
        case fetch
        case renew(Value)
    }

    package enum Step: Sendable {
        case serve(Refreshed<Value>)
        /// Serve the value, and start the refresh beside it.
        case serveAndStart(Refreshed<Value>, Refresh)
        /// There is no value: start the refresh and wait for it.
        case start(Refresh)
        /// There is no value: wait for the refresh that is under way.
        case wait
        /// The last fetch failed, and the next one is not due.
        case fail(Failure)
    }

    /// The current value and its times. Unrelated to a Kubernetes Lease.
    private struct Lease: Sendable {
        let value: Value
        /// Nil if the value does not expire.
        var expiresAt: Instant?
        var refreshAt: Instant?
        var isRenewable: Bool
        /// The lifetime that the fetch gave. A renewal that gives much less shows that the maximum lifetime is near.
        var fullLifetime: Duration?

        func serves(at now: Instant) -> Bool { expiresAt.map { now < $0 } ?? true }
    }

    private enum Activity { case fetching, renewing }

    private let policy: RefreshPolicy
    private var lease: Lease?
    private var activity: Activity?
    private var backoff: Backoff
    private var pause: (failure: Failure, until: Instant)?
    /// By scope, which the caller chooses: a denial in one scope says nothing about the value's use in another.
    private var denials: [String: (backoff: Backoff, until: Instant)] = [:]
    /// The number of values that were fetched.
    package private(set) var generation: UInt64 = 0

    package init(_ policy: RefreshPolicy) {
        self.policy = policy
        backoff = Backoff(base: policy.retryBase, maximum: policy.maximumRetry, jitter: .half)
    }

    /// Handles a request for the value.
    package mutating func request(now: Instant) -> Step {
        let failure = pause.flatMap { now < $0.until ? $0.failure : nil }
        guard let lease, lease.serves(at: now) else {
            lease = nil
            if activity != nil { return .wait }
            if let failure { return .fail(failure) }
            activity = .fetching
            return .start(.fetch)
        }
        let served = Refreshed(value: lease.value, generation: generation)
        guard activity == nil, failure == nil, let refreshAt = lease.refreshAt, now >= refreshAt else {
            return .serve(served)
        }
        activity = lease.isRenewable ? .renewing : .fetching
        return .serveAndStart(served, lease.isRenewable ? .renew(lease.value) : .fetch)
    }

    /// Records that the refresh succeeded.
    ///
    /// - Parameters:
    ///   - now: The time from which the lifetime counts.
    ///   - random: A number from 0 up to 1.
    /// - Returns: The value, or the refresh to start if no value serves while tasks wait for one.
    package mutating func succeeded(
        _ grant: Grant<Value>, now: Instant, random: Double
    ) -> (served: Refreshed<Value>, next: Refresh?) {
        let isRenewal = activity == .renewing
        let renewed = isRenewal ? lease : nil
        let isExpired = isRenewal && lease == nil
        activity = nil
        pause = nil
        backoff.reset()
        if !isRenewal { generation += 1 }
        let value = renewed?.value ?? grant.value
        let served = Refreshed(value: value, generation: generation)
        guard let lifetime = grant.lifetime else {
            lease = Lease(value: value, isRenewable: false)
            return (served, nil)
        }
        guard lifetime > .zero else {
            lease = nil
            // The value ended before its renewal did, and tasks wait for another one.
            if isExpired { activity = .fetching }
            return (served, isExpired ? .fetch : nil)
        }
        let full = renewed?.fullLifetime ?? lifetime
        let requested = grant.refreshAfter.flatMap { $0 < lifetime ? $0 : nil }
        let planned = policy.refreshLead.map {
            lifetime - $0.duration(of: lifetime) * (1 - policy.refreshJitter * random)
        }
        lease = Lease(
            value: value,
            expiresAt: now + lifetime - policy.expiryLead.duration(of: lifetime),
            refreshAt: (requested ?? planned).map { now + max($0, policy.minimumRefreshInterval) },
            // Less than 2/3 of the full lifetime: the maximum is near, so the next refresh is a fetch.
            isRenewable: grant.isRenewable && lifetime * 3 >= full * 2, fullLifetime: full)
        return (served, nil)
    }

    /// Records that the refresh failed.
    ///
    /// - Returns: The refresh to start for the tasks that wait, or nil if they get the failure.
    package mutating func failed(_ failure: Failure, now: Instant, random: Double) -> Refresh? {
        let wasRenewal = activity == .renewing
        activity = nil
        if wasRenewal, !failure.isOutage {
            // The value may be revoked or not renewable: the next refresh is a fetch, without a delay.
            pause = nil
            lease?.isRenewable = false
            guard lease == nil else { return nil }
            // The value ended before its renewal did, and tasks wait for another one.
            activity = .fetching
            return .fetch
        }
        let serves = lease?.serves(at: now) ?? false
        let limit =
            !failure.isOutage
            ? policy.maximumRetry
            : serves ? policy.maximumRetryWhileServing : policy.maximumRetryInOutage
        let delay = backoff.next(random: random, limit: limit)
        pause = (failure, now + max(delay, min(failure.retryAfter ?? .zero, policy.maximumRetry)))
        return nil
    }

    /// Records that a server denied the value of `generation`, and discards the value, at growing intervals.
    ///
    /// - Returns: True if another value is available or can be fetched now.
    package mutating func denied(generation denied: UInt64, scope: String, now: Instant) -> Bool {
        guard denied == generation, lease != nil else { return true }
        var backoff = Backoff(base: policy.denialPause, maximum: policy.maximumDenialPause, jitter: .none)
        if let previous = denials[scope] {
            guard now >= previous.until else { return false }
            let isForgotten = policy.denialMemory.map { now > previous.until + $0 } ?? false
            if !isForgotten { backoff = previous.backoff }
        }
        lease = nil
        pause = nil
        let delay = backoff.next(random: 0)
        denials[scope] = (backoff, now + delay)
        return true
    }

    /// Records that a server accepted the value of `generation`.
    package mutating func accepted(generation accepted: UInt64, scope: String) {
        if accepted == generation { denials[scope] = nil }
    }

    /// The time at which `request` starts a refresh, if no task requests the value before.
    package var nextRefresh: Instant? {
        guard activity == nil, let refreshAt = lease?.refreshAt else { return nil }
        return max(refreshAt, pause?.until ?? refreshAt)
    }

    /// Returns the generation of the value if it satisfies `predicate`.
    package func generation(where predicate: (Value) -> Bool) -> UInt64? {
        lease.flatMap { predicate($0.value) ? generation : nil }
    }
}
