import Concurrency
import Resources

/// Decides when the key of a provider is tested. Pure: instants come in, providers to test go out. A provider that passed is
/// not tested again until it changes or a WrappedSecret cannot use it.
struct ProviderTestMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Pending {
        var dueAt: Instant
        var backoff = Backoff(base: .seconds(4), maximum: .seconds(300), jitter: .half)
        var isRunning = false
        /// True if the provider has changed since the running test began.
        var isOutdated = false
    }

    static let maximumRunning = 8

    private var pending: [ProviderRef: Pending] = [:]
    private var runningCount = 0

    /// The provider is new, was changed, or failed to serve.
    mutating func request(_ provider: ProviderRef, now: Instant) {
        guard pending[provider] != nil else {
            pending[provider] = Pending(dueAt: now)
            return
        }
        if pending[provider]?.isRunning == true {
            pending[provider]?.isOutdated = true
        } else {
            pending[provider] = Pending(dueAt: now)
        }
    }

    /// The provider served, or failed to serve, a WrappedSecret: a test is due, but not earlier than after a failed one.
    mutating func suspect(_ provider: ProviderRef, now: Instant) {
        if pending[provider] == nil { request(provider, now: now) }
    }

    /// Returns the providers to test now.
    mutating func takeDue(now: Instant) -> [ProviderRef] {
        let due = pending.filter { !$0.value.isRunning && $0.value.dueAt <= now }
            .sorted { $0.value.dueAt < $1.value.dueAt }
            .prefix(max(0, Self.maximumRunning - runningCount)).map(\.key)
        for provider in due { pending[provider]?.isRunning = true }
        runningCount += due.count
        return due
    }

    /// The time of the next test, or nil if none is due or as many as allowed are running.
    var nextDue: Instant? {
        guard runningCount < Self.maximumRunning else { return nil }
        return pending.values.filter { !$0.isRunning }.map(\.dueAt).min()
    }

    /// - Parameter isFinal: True if only a change can lead to another result.
    mutating func finished(_ provider: ProviderRef, isFinal: Bool, now: Instant, random: Double) {
        guard var state = pending[provider], state.isRunning else { return }
        runningCount -= 1
        if state.isOutdated {
            pending[provider] = Pending(dueAt: now)
        } else if isFinal {
            pending[provider] = nil
        } else {
            state.isRunning = false
            state.dueAt = now + state.backoff.next(random: random)
            pending[provider] = state
        }
    }
}
