package import Envelope
package import KubeClient
package import Metrics
import Resources
package import Serving
import System

/// The metrics and the health of a controller. It exists as long as the process, also before the controller runs and after.
package final class Telemetry: Sendable {
    /// The sources of the metrics that are computed for an exposition, once the controller runs.
    struct Sources: Sendable {
        let queue: WorkQueue
        let informers: [Informers]
        let progress: [WatchScopeProgress]
        let keys: KeyRing
        let providers: Providers?
    }

    package let registry = MetricsRegistry()
    package let health = Health()
    /// Observes the requests of the key managers; pass it to `KeyRing.load`.
    package let kmsObserver: any KeyManagerObserver
    /// Observes the requests to the API server; pass it to `APIConnection`.
    package let apiObserver: any APIObserver
    let queueMetrics: QueueMetrics
    let reconcileMetrics: ReconcileMetrics
    let watchMetrics: WatchMetrics
    /// Counts an unwrap that waits for a token of its namespace.
    let recordThrottledUnwrap: @Sendable () -> Void
    private let kmsMetrics: KMSMetrics
    private let providerRequests: ProviderRequestMetrics
    private let sources: Locked<Sources?>
    private let leads = ReplaceableFunction<Void, Bool> { true }

    /// - Parameter lease: the name of the lease that the replicas of this controller share, or nil to omit the label.
    package init(version: String = "unknown", lease: String? = nil) {
        let sources = Locked<Sources?>(nil)
        self.sources = sources
        let read: @Sendable () -> Sources? = { sources.withLock { $0 } }
        let kmsMetrics = KMSMetrics(registry)
        self.kmsMetrics = kmsMetrics
        kmsObserver = kmsMetrics
        providerRequests = ProviderRequestMetrics(registry, all: kmsMetrics)
        recordThrottledUnwrap = kmsMetrics.recordThrottledUnwrap
        apiObserver = APIMetrics(registry, health)
        queueMetrics = QueueMetrics(registry, depth: { read()?.queue.count ?? 0 })
        reconcileMetrics = ReconcileMetrics(registry)
        watchMetrics = WatchMetrics(registry) {
            let sources = read()
            return (sources?.progress.flatMap(\.watches) ?? []) + (sources?.providers?.watches.listed ?? [])
        }
        let leaseLabel = LeaseLabel(lease: lease)
        ObjectMetrics.register(in: registry, leaseLabel, read)
        ProviderMetrics.register(in: registry, leaseLabel, read)
        registry.computed(
            "secretsbridge_leader", "1 while this process reconciles, 0 while it is a standby.",
            labels: leaseLabel.names
        ) {
            [leads] in [Sample(leads() ? 1 : 0, labels: leaseLabel.values)]
        }
        registry.computed(
            "secretsbridge_build_info", "Always 1; the labels describe this build.",
            labels: ["version"] + leaseLabel.names
        ) { [Sample(1, labels: [version] + leaseLabel.values)] }
        registry.registerProcessMetrics()
    }

    /// Returns the observer of the requests to the KMS of a ClusterKeyProvider.
    func kmsObserver(ofProvider name: String) -> any KeyManagerObserver {
        providerRequests.observer(ofProvider: name)
    }

    /// Sets the source of the metric `secretsbridge_leader`; without one, the process counts as the leader.
    package func setLeadershipProbe(_ read: @escaping @Sendable () -> Bool) {
        leads.replace(with: read)
    }

    /// Sets the sources of metrics and health when the controller starts.
    func attach(
        _ queue: WorkQueue, _ informers: [Informers], _ progress: [WatchScopeProgress], _ keys: KeyRing,
        _ providers: Providers? = nil, workers: Int
    ) {
        sources.withLock {
            $0 = Sources(
                queue: queue, informers: informers, progress: progress, keys: keys, providers: providers)
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
            watches: {
                WatchScopeProgress.problems(progress.flatMap(\.watches)) + (providers?.watches.problems ?? [])
            },
            work: { [metrics = self.queueMetrics] in metrics.allWorkersBusyDuration(workers: workers) })
    }

    /// Responds to a request for a status page. It waits only for locks that are held briefly.
    package func page(_ request: AdminRequest) -> AdminResponse {
        switch request.path {
        case "/metrics": AdminResponse(registry.exposition(), contentType: MetricsRegistry.contentType)
        case "/healthz": AdminResponse(health.liveness())
        case "/readyz": AdminResponse(health.readiness())
        default: AdminResponse("/metrics, /healthz and /readyz are served here\n", status: 404)
        }
    }
}

extension AdminResponse {
    fileprivate init(_ report: Health.Report) {
        self.init(report.text, status: report.isHealthy ? 200 : 503)
    }
}

/// The label `lease`, which distinguishes the controllers of a split cluster.
///
/// Replicas of one controller count the same objects, and controllers with other watch scopes count other objects. Queries
/// take the maximum over replicas and the sum over leases, so the series that count objects and leaders have the label.
struct LeaseLabel: Sendable {
    let names: [String]
    let values: [String]

    /// - Parameter lease: the name of the lease, or nil to omit the label.
    init(lease: String?) {
        names = lease == nil ? [] : ["lease"]
        values = lease.map { [$0] } ?? []
    }
}
