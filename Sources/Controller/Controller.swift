package import Envelope
import FoundationEssentials
package import KubeClient
package import Logging
import ServiceLifecycle

/// The controller: two watches, a work queue, and workers that reconcile.
///
/// `run` returns after a graceful shutdown, when the work in flight is done, and not before.
package struct Controller: Service {
    package struct Options: Sendable {
        /// Reconciles in flight. They mostly wait for the API server and the KMS, and a batch of unwraps
        /// is at most as large as their number.
        package var workers = 128
        /// Of WrappedSecrets and, as far as the namespace goes, their Secrets.
        package var selection = Selection()
        /// Several namespaces, in place of that of `selection`. Each is listed and watched by itself, so that rights
        /// in these namespaces are enough, and the loss of one leaves the others alone.
        package var namespaces: [String] = []
        package var policy = OperatorPolicy()
        /// Longest pause between two tries of an object that fails.
        package var maximumRetryDelay = Duration.seconds(300)
        /// How often a Secret is looked at which no watch tells of: it does not carry our label.
        package var unwatchedSecretInterval = Duration.seconds(20)
        package var timing = WatcherOptions()
        /// Of each namespace; nil: none.
        package var unwrapRateLimit: UnwrapRateLimit? = UnwrapRateLimit()

        /// Bytes for the objects that are opened at the same time; see `ReconcileMemoryLimiter`.
        package var reconcileMemoryLimit = 32 << 20
        /// Of this process, in events and in messages about other writers.
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
    private let options: Options
    private let gate: any LeaderElection
    private let telemetry: Telemetry
    private let logger: Logger

    /// - Parameter gate: lets the workers work; the caches are kept warm in any case.
    package init(
        client: KubeClient, keys: KeyRing, options: Options = Options(),
        gate: any LeaderElection = AlwaysLeader(),
        telemetry: Telemetry = Telemetry(),
        logger: Logger
    ) {
        self.client = client
        self.keys = keys
        self.options = options
        self.gate = gate
        self.telemetry = telemetry
        self.logger = logger
    }

    /// Errors: what the gate throws, once all work has ended.
    package func run() async throws {
        let queue = WorkQueue(
            maximumDelay: options.maximumRetryDelay, observe: telemetry.queueMetrics.record(_:))
        let events = EventRecorder(client: client, identity: options.identity, logger: logger)
        let shared = Shared(
            budget: UnwrapRateLimiter(options.unwrapRateLimit, throttled: telemetry.recordThrottledUnwrap),
            memory: ReconcileMemoryLimiter(limit: options.reconcileMemoryLimit) {
                queue.addWithReservedMemory($0)
            }, events: events)
        let outages = WatchOutages()
        let shards = options.selections.map { selection in
            let namespace = options.namespaces.isEmpty ? nil : selection.namespace
            let informers = Informers(
                queue: queue, namespace: namespace, logger: logger, outages: outages,
                metrics: telemetry.watchMetrics)
            return WatchScope(
                selection: selection, informers: informers,
                reconciler: reconciler(informers, queue, shared),
                progress: WatchScopeProgress(namespace: namespace))
        }
        let slots = WatchStartSemaphore()
        telemetry.attach(
            queue, shards.map(\.informers), shards.map(\.progress), keys, workers: options.workers)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for shard in shards {
                    group.addTask { await shard.watch(client, options.timing, slots) }
                }
                group.addTask { await queue.run() }
                group.addTask { await events.run() }
                group.addTask { await telemetry.health.runHeartbeat() }
                for manager in keys.all {
                    group.addTask {
                        await manager.maintain {
                            for shard in shards { shard.informers.retryAfterKMSRecovery() }
                        }
                    }
                }
                try await gate.run {
                    await withTaskCancellationHandler {
                        await work(queue, WatchScopeRouter(shards))
                    } onCancel: {
                        queue.shutDown()
                    }
                }
                await events.drain(within: .seconds(2))
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            logger.info("stopping: work in flight is finished first")
            queue.shutDown()
        }
        logger.info("stopped")
    }

    private func reconciler(
        _ informers: Informers, _ queue: WorkQueue, _ shared: Shared
    ) -> Reconciler {
        Reconciler(
            client: client, keys: keys, objects: informers.objects, secrets: informers.secrets,
            tracker: informers.tracker, policy: options.policy, ownedSecrets: informers.ownedSecrets,
            budget: shared.budget,
            memory: shared.memory, pacer: shared.pacer,
            now: { Date.now.formatted(.iso8601) },
            // Workers that wait for a batch take nothing from the queue: it must not wait for all of them. Nor for
            // those that may ask for no key.
            expectedFollowUps: { [workers = options.workers, budget = shared.budget] in
                queue.count(upTo: workers * 3 / 4, share: budget.availableTokens(_:))
            },
            events: shared.events, identity: options.identity,
            unwatchedSecretInterval: options.unwatchedSecretInterval, logger: logger,
            enqueue: { queue.add($0) })
    }

    /// What the shards have in common.
    private struct Shared {
        let budget: UnwrapRateLimiter
        let memory: ReconcileMemoryLimiter
        let pacer = VerificationPacer()
        let events: EventRecorder
    }

    private func work(_ queue: WorkQueue, _ shards: WatchScopeRouter) async {
        await withDiscardingTaskGroup { group in
            for _ in 0..<options.workers {
                group.addTask {
                    while await queue.processNext({ await shards.reconcile($0, telemetry.reconcileMetrics) })
                    {}
                }
            }
        }
    }
}
