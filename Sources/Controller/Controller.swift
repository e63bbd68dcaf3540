package import Envelope
import FoundationEssentials
package import KubeClient
package import Logging
import ServiceLifecycle
import System

/// The controller: the watches of WrappedSecrets and Secrets, a work queue, and workers that reconcile.
///
/// `run` returns after a graceful shutdown, once the work in flight is done.
package struct Controller: Service {
    package struct Options: Sendable {
        /// The number of reconciles in flight, which mostly wait for the API server and the KMS. More than the API server needs
        /// to be busy only make each write wait for the others, and a change during a backlog with them. But a batch of unwraps
        /// waits for three quarters of them, so that fewer mean more requests to the KMS (`hack/bench latency sync`).
        package var workers = 96
        /// Selects the WrappedSecrets; its namespace also selects their Secrets.
        package var selection = Selection()
        /// Namespaces to use in place of that of `selection`. Each has its own watches, so that permissions in these
        /// namespaces are enough, and losing one does not affect the others.
        package var namespaces: [String] = []
        package var policy = OperatorPolicy()
        /// The maximum delay between two attempts to reconcile a failing object.
        package var maximumRetryDelay = Duration.seconds(300)
        /// How often a Secret without the controller's label is read, because the watch does not select it.
        package var unwatchedSecretInterval = Duration.seconds(20)
        package var timing = WatcherOptions()
        /// The rate limit of each namespace; nil disables it.
        package var unwrapRateLimit: UnwrapRateLimit? = UnwrapRateLimit()

        /// Bytes for the objects that are decrypted at the same time; see `ReconcileMemoryLimiter`.
        package var reconcileMemoryLimit = 32 << 20
        /// The audiences of the API server, for which no token is sent to a KMS.
        package var deniedAudiences: Set<String> = []
        /// The name of this controller in the statuses of providers that others report too. Nil if it watches everything.
        package var reporter: String?
        /// Identifies this process in events, and in messages about other writers.
        package var identity = ""

        package init() {}

        var selections: [Selection] {
            guard !namespaces.isEmpty else { return [selection] }
            return Set(namespaces).sorted().map {
                Selection(namespace: $0, labelSelector: selection.labelSelector)
            }
        }
    }

    private let client: KubeClient
    private let keys: KeyRing
    private let keyManagerFactory: (any KeyManagerFactory)?
    private let options: Options
    private let leaderElection: any LeaderElection
    private let telemetry: Telemetry
    private let logger: Logger

    /// - Parameters:
    ///   - keyManagerFactory: creates the keys of providers; nil to serve none.
    ///   - leaderElection: decides when the workers run; the watches fill the caches in any case.
    package init(
        client: KubeClient, keys: KeyRing, keyManagerFactory: (any KeyManagerFactory)? = nil,
        options: Options = Options(),
        leaderElection: any LeaderElection = AlwaysLeader(), telemetry: Telemetry = Telemetry(),
        logger: Logger
    ) {
        self.client = client
        self.keys = keys
        self.keyManagerFactory = keyManagerFactory
        self.options = options
        self.leaderElection = leaderElection
        self.telemetry = telemetry
        self.logger = logger
    }

    /// - Throws: the error of the leader election, once all work has ended.
    package func run() async throws {
        let queue = WorkQueue(
            maximumDelay: options.maximumRetryDelay, observe: telemetry.queueMetrics.record(_:))
        let events = EventRecorder(client: client, identity: options.identity, logger: logger)
        let limits = ReconcileLimits(
            unwraps: UnwrapRateLimiter(options.unwrapRateLimit, throttled: telemetry.recordThrottledUnwrap),
            memory: ReconcileMemoryLimiter(limit: options.reconcileMemoryLimit) {
                queue.addWithReservation($0)
            },
            providers: ProviderUnwrapLimiter(workers: options.workers) { queue.addWithReservation($0) })
        // Workers that wait for a batch take nothing from the queue: a batch must not wait for all of them, nor for objects
        // without a token of the rate limiter.
        keys.backlog.follow { [workers = options.workers, unwraps = limits.unwraps] in
            queue.count(upTo: workers * 3 / 4, share: unwraps.availableTokens(_:))
        }
        let outages = WatchOutages()
        // Providers exist before the caches of the WrappedSecrets that they retry.
        let retryUsers = ReplaceableFunction<ProviderCaches.Change, Void> { _ in }
        let providers = keyManagerFactory.map { factory in
            Providers(
                client: client, factory: factory, deniedAudiences: options.deniedAudiences,
                namespaces: Set(options.namespaces), reporter: options.reporter,
                selectsByLabel: options.selection.labelSelector != nil,
                observer: telemetry.kmsObserver(ofProvider:), logger: logger
            ) { retryUsers($0) }
        }
        let codec = CacheCodec(policy: options.policy)
        let scopes = options.selections.map { selection in
            let namespace = options.namespaces.isEmpty ? nil : selection.namespace
            let informers = Informers(
                queue: queue, namespace: namespace, logger: logger, outages: outages,
                codec: codec, metrics: telemetry.watchMetrics)
            return WatchScope(
                selection: selection, informers: informers,
                reconciler: Reconciler(
                    client: client, keys: ReconcileKeys(own: keys, providers: providers),
                    informers: informers,
                    limits: limits,
                    options: options,
                    events: events, logger: logger, now: { Date.now.formatted(.iso8601) }),
                progress: WatchScopeProgress(namespace: namespace))
        }
        let slots = WatchStartSemaphore()
        defer { retryUsers.replace { _ in } }
        retryUsers.replace { [weak providers] change in
            providers?.reportDeletion(change, scopes.map(\.informers), events)
            for scope in scopes { scope.informers.retryUsers(after: change) }
        }
        telemetry.attach(
            queue, scopes.map(\.informers), scopes.map(\.progress), keys, providers,
            workers: options.workers)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for scope in scopes {
                    group.addTask { await scope.watch(client, options.timing, slots) }
                }
                if let providers { group.addTask { await providers.watch(options.timing, slots) } }
                group.addTask { await queue.run() }
                group.addTask { await events.run() }
                group.addTask { await telemetry.health.runHeartbeat() }
                for manager in keys.all {
                    guard let manager = manager as? any MaintainedKeyManager else { continue }
                    group.addTask {
                        await manager.maintain {
                            for scope in scopes { scope.informers.retryAfterKMSRecovery() }
                        }
                    }
                }
                try await leaderElection.run {
                    await withDiscardingTaskGroup { group in
                        if let providers { group.addTask { await providers.lead() } }
                        for scope in scopes { scope.informers.lead() }
                        await withTaskCancellationHandler {
                            await work(queue, WatchScopeRouter(scopes))
                        } onCancel: {
                            queue.shutDown()
                        }
                        group.cancelAll()
                    }
                    providers?.rings.removeAll()
                }
                await events.drain(within: .seconds(2))
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            logger.info("stopping once the work in flight is done")
            queue.shutDown()
        }
        logger.info("stopped")
    }

    private func work(_ queue: WorkQueue, _ router: WatchScopeRouter) async {
        await withDiscardingTaskGroup { group in
            for _ in 0..<options.workers {
                group.addTask {
                    while await queue.processNext({ await router.reconcile($0, telemetry.reconcileMetrics) })
                    {}
                }
            }
        }
    }
}
