import KubeClient
import Metrics
import Resources

/// Metrics of the results and durations of reconciles.
final class ReconcileMetrics: Sendable {
    /// The values of the label `result`.
    enum ResultLabel: String, CaseIterable {
        /// The Secret is in sync, or there was nothing to do.
        case success
        /// The status of the object has the reason.
        case failure
        /// The API server was unavailable, or another writer changed the object first.
        case retry
        /// The object waits for an unwrap token of its namespace, or for memory.
        case throttled
    }

    private let total: Counter
    private let durations: Histogram

    init(_ registry: MetricsRegistry) {
        total = registry.counter(
            "secretsbridge_reconcile_total", "Reconciles by result, failures with the reason of Ready.",
            labels: ["result", "reason"])
        durations = registry.histogram(
            "secretsbridge_reconcile_duration_seconds", "Duration of reconciles.", labels: ["result"],
            bounds: Histogram.durationBuckets)
        for result in ResultLabel.allCases where result != .failure { total.initialize(result.rawValue, "") }
        for reason in Reason.allCases where reason != .synced {
            total.initialize(ResultLabel.failure.rawValue, reason.rawValue)
        }
    }

    func observe(_ ref: ObjectRef, _ reconciler: Reconciler) async -> WorkQueue.Outcome {
        let start = ContinuousClock.now
        let reconciled = await reconciler.reconcile(ref)
        let result = ResultLabel(reconciled)
        total.increment(result.rawValue, reconciled.reason?.rawValue ?? "")
        durations.observe((ContinuousClock.now - start).seconds, result.rawValue)
        return reconciled.outcome
    }
}

extension ReconcileMetrics.ResultLabel {
    fileprivate init(_ reconciled: ReconcileResult) {
        self =
            switch reconciled.outcome {
            case _ where reconciled.reason != nil: .failure
            case .requeueRateLimited: .retry
            case .throttled, .waitingForMemory, .waitingForProvider: .throttled
            case .backOff: .retry
            case .done, .requeue: .success
            }
    }
}
