import KubeClient
import Metrics
import System

/// Metrics of the work queue, with the names of client-go.
final class QueueMetrics: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Times {
        var added: [ObjectRef: Instant] = [:]
        var taken: [ObjectRef: Instant] = [:]
    }

    private let times: Locked<Times>
    private let adds: Counter
    private let retries: Counter
    private let waiting: Histogram
    private let working: Histogram

    init(_ registry: MetricsRegistry, depth: @escaping @Sendable () -> Int) {
        let times = Locked(Times())
        self.times = times
        registry.computed("secretsbridge_workqueue_depth", "Objects that wait to be reconciled.") {
            Double(depth())
        }
        adds = registry.counter(
            "secretsbridge_workqueue_adds_total",
            "Objects put into the work queue; one that waits already counts once.")
        retries = registry.counter(
            "secretsbridge_workqueue_retries_total", "Reconciles that failed and are retried.")
        waiting = registry.histogram(
            "secretsbridge_workqueue_queue_duration_seconds", "How long objects waited in the work queue.",
            bounds: Histogram.durationBuckets + [300])
        working = registry.histogram(
            "secretsbridge_workqueue_work_duration_seconds", "How long a worker was at one object.",
            bounds: Histogram.durationBuckets)
        registry.computed(
            "secretsbridge_workqueue_longest_running_processor_seconds",
            "How long the worker that is longest at its object has been at it."
        ) {
            let first = times.withLock { $0.taken.values.min() }
            return first.map { (Instant.now - $0).seconds } ?? 0
        }
    }

    func record(_ event: WorkQueueEvent<ObjectRef>) {
        let now = Instant.now
        switch event {
        case .added(let key):
            times.withLock { $0.added[key] = now }
            adds.increment()
        case .taken(let key):
            let added = times.withLock { times in
                times.taken[key] = now
                return times.added.removeValue(forKey: key)
            }
            if let added { waiting.observe((now - added).seconds) }
        case .finished(let key):
            let taken = times.withLock { $0.taken.removeValue(forKey: key) }
            if let taken { working.observe((now - taken).seconds) }
        case .failed:
            retries.increment()
        }
    }

    /// Returns how long all workers have been busy with their present objects, or nil if a worker is idle.
    func allWorkersBusyDuration(workers: Int) -> Duration? {
        let last = times.withLock { $0.taken.count >= workers ? $0.taken.values.max() : nil }
        return last.map { .now - $0 }
    }
}

extension Duration {
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
