/// When a value that expires is refreshed, no longer served, and fetched again after a failure. The defaults suit a token
/// that lives for minutes to hours.
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

    /// How long before its end a value is refreshed, while it still serves. Nil turns that off: the next value is fetched
    /// when this one has expired.
    package var refreshLead: Lead? = Lead(share: 0.4)
    /// The share of `refreshLead` that is random, so that processes that started together do not refresh together.
    package var refreshJitter = 0.25
    /// The shortest time between a fetch and the refresh ahead of its value's end.
    package var minimumRefreshInterval = Duration.zero
    /// How long before its end a value no longer serves: requests that carry it take their time.
    package var expiryLead = Lead(share: 0.1)
    /// True if a lifetime counts from the start of the request, as the server's clock started at an unknown moment of it.
    /// False if it was computed from an expiration date after the response.
    package var countsFromRequest = true

    /// The first delay after a failure; it doubles with each further one. Zero turns the delays off: each call of `value`
    /// that finds no value fetches.
    package var retryBase = Duration.milliseconds(500)
    /// The longest delay after a failure that is no outage.
    package var maximumRetry = Duration.seconds(60)
    /// The longest delay in an outage, which delays the recovery of all requests that wait for a value.
    package var maximumRetryInOutage = Duration.seconds(2)
    /// The longest delay in an outage while the old value still serves.
    package var maximumRetryWhileServing = Duration.seconds(2)

    /// How long a denied value keeps its successors from being discarded: the first time, doubling up to the maximum. A
    /// policy that denies every value must not cause a storm of fetches.
    package var denialPause = Duration.seconds(10)
    package var maximumDenialPause = Duration.seconds(300)
    /// How long after the end of its pause a denial is forgotten. Nil: when `recordSuccess` is called.
    package var denialMemory: Duration?

    package init() {}
}
