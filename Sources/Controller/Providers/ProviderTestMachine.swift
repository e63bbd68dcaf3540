import Concurrency
import KubeClient
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
    /// Of the providers of one namespace, or of the cluster-scoped ones: a tenant with many leaves room for the others.
    static let maximumRunningPerNamespace = 2

    /// The time after a test in which a use that fails causes no other one.
    static let minimumInterval = Duration.seconds(60)

    private var pending: [ProviderRef: Pending] = [:]
    private var testedAt: [ProviderRef: Instant] = [:]
    /// The number of running tests by namespace.
    private var running: [String: Int] = [:]
    private var runningCount: Int { running.values.reduce(0, +) }

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

    /// The provider failed to serve a WrappedSecret: a test is due, but not soon after another one.
    mutating func suspect(_ provider: ProviderRef, now: Instant) {
        guard pending[provider] == nil else { return }
        pending[provider] = Pending(
            dueAt: testedAt[provider].map { max(now, $0 + Self.minimumInterval) } ?? now)
    }

    /// The provider does not exist any more.
    mutating func forget(_ provider: ProviderRef) {
        testedAt[provider] = nil
        if pending[provider]?.isRunning != true { pending[provider] = nil }
    }

    /// Returns the providers to test now.
    mutating func takeDue(now: Instant) -> [ProviderRef] {
        var due: [ProviderRef] = []
        while runningCount < Self.maximumRunning, let next = earliest(before: now) {
            pending[next]?.isRunning = true
            running[next.object.namespace, default: 0] += 1
            due.append(next)
        }
        return due
    }

    private func earliest(before now: Instant) -> ProviderRef? {
        pending.lazy.filter { isWaiting($0.key, $0.value) && $0.value.dueAt <= now }
            .min { $0.value.dueAt < $1.value.dueAt }?.key
    }

    private func isWaiting(_ provider: ProviderRef, _ state: Pending) -> Bool {
        !state.isRunning && running[provider.object.namespace, default: 0] < Self.maximumRunningPerNamespace
    }

    /// The time of the next test, or nil if none is due or as many as allowed are running.
    var nextDue: Instant? {
        guard runningCount < Self.maximumRunning else { return nil }
        return pending.lazy.filter { isWaiting($0.key, $0.value) }.map(\.value.dueAt).min()
    }

    /// - Parameter isFinal: True if only a change can lead to another result.
    mutating func finished(_ provider: ProviderRef, isFinal: Bool, now: Instant, random: Double) {
        guard var state = pending[provider], state.isRunning else { return }
        let namespace = provider.object.namespace
        let others = running[namespace, default: 1] - 1
        running[namespace] = others > 0 ? others : nil
        testedAt[provider] = now
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
