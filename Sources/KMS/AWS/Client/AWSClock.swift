import FoundationEssentials

/// Time, as a client needs it. Tests bring their own.
struct AWSClock: Sendable {
    /// Of the wall, for signatures.
    var date: @Sendable () -> Date = { Date() }
    var now: @Sendable () -> ContinuousClock.Instant = { .now }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
}
