package import Envelope
package import KubeClient
package import Metrics
import Resources
import System

/// What a controller tells of itself: its metrics and its health. One of each lives as long as the process; it
/// can be asked before the controller runs and after.
package final class Telemetry: Sendable {
    /// What is read when somebody asks, once the controller runs.
    struct Sources: Sendable {
        let queue: WorkQueue
        let informers: [Informers]
        let progress: [WatchScopeProgress]
        let keys: KeyRing
    }

    package let registry = MetricsRegistry()
    package let health = Health()
    /// To be handed to `KeyRing.load`.
    package let kmsObserver: any KeyManagerObserver
    /// To be handed to `APIConnection`.
    package let apiObserver: any APIObserver
    let queueMetrics: QueueMetrics
    let reconcileMetrics: ReconcileMetrics
    let watchMetrics: WatchMetrics
    /// Is told of every unwrap that waits for its namespace's share of the KMS.
    let recordThrottledUnwrap: @Sendable () -> Void
    private let kmsMetrics: KMSMetrics
    private let leads = Locked<@Sendable () -> Bool>({ true })

    /// - Parameter lease: the name of the lease that the replicas of this controller share; nil omits the label.
    package init(version: String = "unknown", lease: String? = nil) {
        let sources = Locked<Sources?>(nil)
        self.sources = sources
        let read: @Sendable () -> Sources? = { sources.withLock { $0 } }
        let kmsMetrics = KMSMetrics(registry)
        self.kmsMetrics = kmsMetrics
        kmsObserver = kmsMetrics
        recordThrottledUnwrap = kmsMetrics.recordThrottledUnwrap
        apiObserver = APIMetrics(registry, health)
        queueMetrics = QueueMetrics(registry, depth: { read()?.queue.count ?? 0 })
        reconcileMetrics = ReconcileMetrics(registry)
        watchMetrics = WatchMetrics(registry) { read()?.progress ?? [] }
        let shard = LeaseLabel(lease: lease)
        ObjectMetrics.register(in: registry, shard, read)
        registry.computed(
            "secretsbridge_leader", "1 while this process reconciles, 0 while it stands by.",
            labels: shard.names
        ) {
            [leads] in [Sample(leads.withLock { $0 }() ? 1 : 0, labels: shard.values)]
        }
        registry.computed(
            "secretsbridge_build_info", "Always 1; the labels say what is running.",
            labels: ["version"] + shard.names
        ) { [Sample(1, labels: [version] + shard.values)] }
        registry.registerProcessMetrics()
    }

    private let sources: Locked<Sources?>

    /// Who says whether this process leads; without it, it does.
    package func setLeadershipProbe(_ read: @escaping @Sendable () -> Bool) {
        leads.withLock { $0 = read }
    }

    /// From now on these are what is told of.
    func attach(
        _ queue: WorkQueue, _ informers: [Informers], _ progress: [WatchScopeProgress], _ keys: KeyRing,
        workers: Int
    ) {
        sources.withLock {
            $0 = Sources(queue: queue, informers: informers, progress: progress, keys: keys)
        }
        kmsMetrics.prepareSeries(keys)
        health.setProbes(
            caches: {
                let isComplete = [
                    (WrappedSecret.resource, informers.allSatisfy(\.objects.hasSynced)),
                    (.secrets, informers.allSatisfy(\.secrets.hasSynced)),
                ]
                return isComplete.filter { !$0.1 }.map(\.0.plural)
            },
            watches: { WatchScopeProgress.problems(progress) },
            work: { [metrics = self.queueMetrics] in metrics.allWorkersBusyDuration(workers: workers) })
    }
}
