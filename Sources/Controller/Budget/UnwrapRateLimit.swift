/// How often the objects of one namespace may ask a KMS for a data key: a token bucket each.
package struct UnwrapRateLimit: Sendable, Equatable {
    /// Tokens that come back in a second.
    package var rate = 50
    /// How many there are at most: what a namespace may spend at once. A first sync of so many objects is not slowed.
    package var burst = 20_000

    package init() {}
}
