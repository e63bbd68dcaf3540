import Concurrency
import KubeClient
import Resources

/// Decides when the key of a provider is tested. Pure: instants come in, providers to test go out. A provider that passed is
/// not tested again until it changes or a WrappedSecret cannot use it.
///
/// Tests have a pace, so that many providers that fail cost little. Of those that are due, the first is one of the namespace
/// that has waited longest: a tenant with a thousand KeyProviders delays the test of another one by no more than its own.
struct ProviderTestMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Pending {
        /// The ClusterKeyProvider whose KMS the test asks.
        var clusterKeyProvider: String
        var dueAt: Instant
        var backoff = Backoff(base: .seconds(4), maximum: .seconds(300), jitter: .half)
        var isRunning = false
        /// A change of the provider since the running test began.
        var change: Change?
    }

    private enum Change {
        /// The provider was changed, and uses this ClusterKeyProvider.
        case changed(clusterKeyProvider: String)
        case deleted
    }

    static let maximumRunning = 16
    /// The limit for the providers of one namespace, or for the cluster-scoped ones.
    static let maximumRunningPerNamespace = 2
    /// The limit for the providers that use one ClusterKeyProvider: a KMS that does not respond leaves room for others.
    static let maximumRunningPerCluster = 4
    /// The delay between the starts of two tests, after a number of tests that start at once.
    static let pace = Duration.milliseconds(50)

    /// The time after a test in which a use that fails causes no other one.
    static let minimumInterval = Duration.seconds(60)

    private var pending: [ProviderRef: Pending] = [:]
    private var testedAt: [ProviderRef: Instant] = [:]
    /// When the last test of a namespace began.
    private var startedAt: [String: Instant] = [:]
    private var runningByNamespace: [String: Int] = [:]
    private var runningByCluster: [String: Int] = [:]
    private var runningCount = 0
    private var starts: TokenBucket<Instant>

    init(now: Instant = .now) {
        starts = TokenBucket(capacity: Self.maximumRunning, interval: Self.pace, now: now)
    }

    /// The provider is new, was changed, or failed to serve.
    ///
    /// - Parameter cluster: The ClusterKeyProvider that it uses.
    mutating func request(_ provider: ProviderRef, of cluster: String, now: Instant) {
        if pending[provider]?.isRunning == true {
            pending[provider]?.change = .changed(clusterKeyProvider: cluster)
        } else {
            pending[provider] = Pending(clusterKeyProvider: cluster, dueAt: now)
        }
    }

    /// The provider failed to serve a WrappedSecret: a test is due, but not soon after another one.
    mutating func suspect(_ provider: ProviderRef, of cluster: String, now: Instant) {
        guard pending[provider] == nil else { return }
        pending[provider] = Pending(
            clusterKeyProvider: cluster,
            dueAt: testedAt[provider].map { max(now, $0 + Self.minimumInterval) } ?? now)
    }

    /// The provider does not exist any more.
    mutating func forget(_ provider: ProviderRef) {
        testedAt[provider] = nil
        if pending[provider]?.isRunning == true {
            pending[provider]?.change = .deleted
        } else {
            pending[provider] = nil
            forgetTurn(of: provider.object.namespace)
        }
    }

    /// Forgets when the tests of a namespace began, unless others of its providers wait.
    private mutating func forgetTurn(of namespace: String) {
        if !pending.keys.contains(where: { $0.object.namespace == namespace }) { startedAt[namespace] = nil }
    }

    /// Returns the providers to test now.
    mutating func takeDue(now: Instant) -> [ProviderRef] {
        var due: [ProviderRef] = []
        while let (provider, state) = next(at: now), starts.take(at: now) {
            pending[provider]?.isRunning = true
            runningByNamespace[provider.object.namespace, default: 0] += 1
            runningByCluster[state.clusterKeyProvider, default: 0] += 1
            runningCount += 1
            startedAt[provider.object.namespace] = now
            due.append(provider)
        }
        return due
    }

    /// Returns the provider whose test has to start next, of those that are due and may start.
    private func next(at now: Instant) -> (ProviderRef, Pending)? {
        waiting.filter { $0.value.dueAt <= now }.min { isBefore($0, $1) }.map { ($0.key, $0.value) }
    }

    private func isBefore(
        _ one: (key: ProviderRef, value: Pending), _ other: (key: ProviderRef, value: Pending)
    ) -> Bool {
        let (first, second) = (startedAt[one.key.object.namespace], startedAt[other.key.object.namespace])
        guard first == second else {
            guard let first, let second else { return first == nil }
            return first < second
        }
        return one.value.dueAt < other.value.dueAt
    }

    /// The providers whose test may start when it is due.
    private var waiting: some Sequence<(key: ProviderRef, value: Pending)> {
        let isFull = runningCount >= Self.maximumRunning
        return pending.lazy.filter { provider, state in
            !isFull && !state.isRunning
                && runningByNamespace[provider.object.namespace, default: 0] < Self.maximumRunningPerNamespace
                && runningByCluster[state.clusterKeyProvider, default: 0] < Self.maximumRunningPerCluster
        }
    }

    /// The time of the next test, or nil if none is due or as many as allowed are running.
    var nextDue: Instant? {
        waiting.map(\.value.dueAt).min().map { max($0, starts.time()) }
    }

    /// - Parameters:
    ///   - isFinal: True if only a change can lead to another result.
    ///   - askedKMS: False if the test sent no request. It then counts for nothing.
    mutating func finished(
        _ provider: ProviderRef, isFinal: Bool, askedKMS: Bool = true, now: Instant, random: Double
    ) {
        guard var state = pending[provider], state.isRunning else { return }
        if !askedKMS { starts.giveBack() }
        Self.decrement(&runningByNamespace, provider.object.namespace)
        Self.decrement(&runningByCluster, state.clusterKeyProvider)
        runningCount -= 1
        defer { if pending.isEmpty { startedAt = [:] } }
        if case .deleted? = state.change {
            pending[provider] = nil
            forgetTurn(of: provider.object.namespace)
            return
        }
        testedAt[provider] = now
        if case .changed(let cluster)? = state.change {
            pending[provider] = Pending(clusterKeyProvider: cluster, dueAt: now)
        } else if isFinal {
            pending[provider] = nil
        } else {
            state.isRunning = false
            state.dueAt = now + state.backoff.next(random: random)
            pending[provider] = state
        }
    }

    private static func decrement(_ counts: inout [String: Int], _ key: String) {
        let others = counts[key, default: 1] - 1
        counts[key] = others > 0 ? others : nil
    }
}
