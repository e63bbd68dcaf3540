import Concurrency
import KubeClient
import Resources

/// Decides when the key of a provider is tested. Pure: instants come in, providers to test go out. A provider that passed is
/// not tested again until it changes or a WrappedSecret cannot use it.
///
/// Tests have a pace, so that many providers that fail cost little. Of those that are due, the first is one of the namespace
/// that has waited longest: a tenant with a thousand KeyProviders delays the test of another one by no more than its own.
///
/// A step looks at one provider of each flow: those of one namespace that use one ClusterKeyProvider. Only an administrator can
/// create many flows, as long as the caller passes the names of ClusterKeyProviders that exist.
struct ProviderTestMachine: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Pending {
        /// The ClusterKeyProvider whose KMS the test asks.
        var clusterKeyProvider: String
        var backoff = Backoff(base: .seconds(4), maximum: .seconds(300), jitter: .half)
        var isRunning = false
        /// A change of the provider since the running test began.
        var change: Change?
    }

    private struct Namespace {
        /// The providers that wait for a test, by ClusterKeyProvider.
        var flows: [String: ProviderTestFlow] = [:]
        /// The number of providers whose test waits or runs.
        var pendingCount = 0
        var runningCount = 0
        /// When the last test began.
        var startedAt: Instant?

        mutating func add(_ entry: ProviderTestFlow.Entry, to cluster: String) {
            pendingCount += 1
            flows[cluster, default: ProviderTestFlow()].insert(entry)
        }

        mutating func start(_ provider: ProviderRef, of cluster: String, now: Instant) {
            dequeue(provider, of: cluster)
            runningCount += 1
            startedAt = now
        }

        mutating func dequeue(_ provider: ProviderRef, of cluster: String) {
            flows[cluster]?.remove(provider)
            if flows[cluster]?.isEmpty == true { flows[cluster] = nil }
        }
    }

    /// The first provider of a flow.
    private struct Candidate {
        let namespaceStartedAt: Instant?
        let entry: ProviderTestFlow.Entry

        /// Returns true if this provider has its test before the other one.
        func isBefore(_ other: Candidate) -> Bool {
            guard namespaceStartedAt == other.namespaceStartedAt else {
                guard let first = namespaceStartedAt, let second = other.namespaceStartedAt else {
                    return namespaceStartedAt == nil
                }
                return first < second
            }
            return entry < other.entry
        }
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
    /// The namespaces with pending tests, and those whose last test began not long ago.
    private var namespaces: [String: Namespace] = [:]
    private var runningByCluster: [String: Int] = [:]
    private var runningCount = 0
    private var lastOrder: UInt64 = 0
    private var starts: TokenBucket<Instant>

    /// True if nothing is remembered of any provider.
    var isEmpty: Bool {
        pending.isEmpty && testedAt.isEmpty && namespaces.isEmpty && runningByCluster.isEmpty
            && runningCount == 0
    }

    init(now: Instant = .now) {
        starts = TokenBucket(capacity: Self.maximumRunning, interval: Self.pace, now: now)
    }

    /// The provider is new, was changed, or failed to serve.
    ///
    /// - Parameter cluster: The ClusterKeyProvider that it uses, or nothing if that does not exist.
    mutating func request(_ provider: ProviderRef, of cluster: String, now: Instant) {
        if pending[provider]?.isRunning == true {
            pending[provider]?.change = .changed(clusterKeyProvider: cluster)
        } else {
            enqueue(provider, Pending(clusterKeyProvider: cluster), dueAt: now)
        }
    }

    /// The provider failed to serve a WrappedSecret: a test is due, but not soon after another one.
    mutating func suspect(_ provider: ProviderRef, of cluster: String, now: Instant) {
        guard pending[provider] == nil else { return }
        enqueue(
            provider, Pending(clusterKeyProvider: cluster),
            dueAt: testedAt[provider].map { max(now, $0 + Self.minimumInterval) } ?? now)
    }

    /// The provider does not exist any more.
    mutating func forget(_ provider: ProviderRef) {
        testedAt[provider] = nil
        if pending[provider]?.isRunning == true {
            pending[provider]?.change = .deleted
        } else {
            removePending(provider)
            forgetTurn(of: provider.object.namespace)
        }
    }

    /// Returns the providers to test now.
    mutating func takeDue(now: Instant) -> [ProviderRef] {
        var due: [ProviderRef] = []
        while let provider = next(at: now), starts.take(at: now) {
            start(provider, now: now)
            due.append(provider)
        }
        return due
    }

    /// The time of the next test, or nil if none is due or as many as allowed are running.
    var nextDue: Instant? {
        candidates.map(\.entry.dueAt).min().map { max($0, starts.time()) }
    }

    /// Returns the provider whose test has to start next, of those that are due and may start.
    private func next(at now: Instant) -> ProviderRef? {
        candidates.filter { $0.entry.dueAt <= now }.min { $0.isBefore($1) }?.entry.provider
    }

    /// The first provider of each flow whose tests may start when they are due.
    private var candidates: some Sequence<Candidate> {
        let isFull = runningCount >= Self.maximumRunning
        return namespaces.values.lazy
            .filter { !isFull && $0.runningCount < Self.maximumRunningPerNamespace }
            .flatMap { namespace in
                namespace.flows.lazy
                    .filter { runningByCluster[$0.key, default: 0] < Self.maximumRunningPerCluster }
                    .compactMap(\.value.first)
                    .map { Candidate(namespaceStartedAt: namespace.startedAt, entry: $0) }
            }
    }

    /// - Parameters:
    ///   - isFinal: True if only a change can lead to another result.
    ///   - askedKMS: False if the test sent no request. It then counts for nothing.
    ///   - exists: False if the test found no such provider: a WrappedSecret has used it until after its deletion.
    mutating func finished(
        _ provider: ProviderRef, isFinal: Bool, askedKMS: Bool = true, exists: Bool = true, now: Instant,
        random: Double
    ) {
        guard var state = pending[provider], state.isRunning else { return }
        // A provider that was created since the test has its own request.
        if !exists, state.change == nil { state.change = .deleted }
        if !askedKMS { starts.giveBack() }
        let namespace = provider.object.namespace
        namespaces[namespace]?.runningCount -= 1
        let others = runningByCluster[state.clusterKeyProvider, default: 1] - 1
        runningByCluster[state.clusterKeyProvider] = others > 0 ? others : nil
        runningCount -= 1
        defer { if pending.isEmpty { namespaces = [:] } }
        if case .deleted? = state.change {
            testedAt[provider] = nil
            removePending(provider)
            return forgetTurn(of: namespace)
        }
        testedAt[provider] = now
        if case .changed(let cluster)? = state.change {
            enqueue(provider, Pending(clusterKeyProvider: cluster), dueAt: now)
        } else if isFinal {
            removePending(provider)
        } else {
            state.isRunning = false
            let delay = state.backoff.next(random: random)
            enqueue(provider, state, dueAt: now + delay)
        }
    }

    // MARK: bookkeeping

    /// Lets the test of a provider wait until `dueAt`, in place of a test that waits or has ended.
    private mutating func enqueue(_ provider: ProviderRef, _ state: Pending, dueAt: Instant) {
        removePending(provider)
        lastOrder += 1
        let entry = ProviderTestFlow.Entry(dueAt: dueAt, order: lastOrder, provider: provider)
        pending[provider] = state
        namespaces[provider.object.namespace, default: Namespace()].add(entry, to: state.clusterKeyProvider)
    }

    private mutating func start(_ provider: ProviderRef, now: Instant) {
        guard let cluster = pending[provider]?.clusterKeyProvider else { return }
        pending[provider]?.isRunning = true
        namespaces[provider.object.namespace]?.start(provider, of: cluster, now: now)
        runningByCluster[cluster, default: 0] += 1
        runningCount += 1
    }

    private mutating func removePending(_ provider: ProviderRef) {
        guard let state = pending.removeValue(forKey: provider) else { return }
        let namespace = provider.object.namespace
        namespaces[namespace]?.pendingCount -= 1
        if !state.isRunning { namespaces[namespace]?.dequeue(provider, of: state.clusterKeyProvider) }
    }

    /// Forgets when the tests of a namespace began, unless others of its providers wait.
    private mutating func forgetTurn(of namespace: String) {
        if namespaces[namespace]?.pendingCount == 0 { namespaces[namespace] = nil }
    }
}
