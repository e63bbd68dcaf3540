/// The times at which a value that expires is refreshed, no longer served, and fetched again after a failure. The
/// defaults suit a token that lives for minutes to hours.
package struct RefreshPolicy: Sendable {
    /// A time before the end of a lifetime: a share of the lifetime, up to a maximum.
    package struct Lead: Sendable {
        package var share: Double
        package var maximum: Duration

        package init(share: Double, maximum: Duration = .seconds(1 << 32)) {
            self.share = share
            self.maximum = maximum
        }

        func duration(of lifetime: Duration) -> Duration { min(lifetime * share, maximum) }
    }

    /// How long before its end a value is refreshed, while it is still served. Nil turns that off: the next value is
    /// fetched when this one has expired.
    package var refreshLead: Lead? = Lead(share: 0.4)
    /// The share of `refreshLead` that is random, so that processes that started together do not refresh together.
    package var refreshJitter = 0.25
    /// The shortest time between a fetch and the early refresh of its value.
    package var minimumRefreshInterval = Duration.zero
    /// The time before its end from which a value no longer serves, so that it does not expire in a request.
    package var expiryLead = Lead(share: 0.1)
    /// True if a lifetime counts from the start of the request, because the server started the lifetime at an unknown
    /// time during it. False if it was computed from an expiration date after the response.
    package var countsFromRequest = true

    /// The first delay after a failure; it doubles with each further one. Zero turns the delays off: each call of
    /// `value` that finds no value fetches.
    package var retryBase = Duration.milliseconds(500)
    /// The longest delay after a failure that is not an outage (the source rejects the request).
    package var maximumRetry = Duration.seconds(60)
    /// The longest delay in an outage without a value to serve. Short, because all requests wait for it after the
    /// outage.
    package var maximumRetryInOutage = Duration.seconds(2)
    /// The longest delay in an outage while the old value still serves.
    package var maximumRetryWhileServing = Duration.seconds(2)

    /// The time after a denial in which the successors of the value are not discarded. It doubles with each further
    /// denial, up to the maximum: a policy that denies every value must not cause a storm of fetches.
    package var denialPause = Duration.seconds(10)
    package var maximumDenialPause = Duration.seconds(300)
    /// The time after the end of its pause at which a denial is forgotten. If nil, a denial is forgotten only when a
    /// server accepts a value.
    package var denialMemory: Duration?

    package init() {}
}
