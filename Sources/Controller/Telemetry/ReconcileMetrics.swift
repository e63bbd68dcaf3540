import KubeClient
import Metrics
import Resources
import System

/// What came of reconciles, and how long they took.
final class ReconcileMetrics: Sendable {
    enum Result: String, CaseIterable {
        /// The Secret is as it should be, or there was nothing to do.
        case success
        /// The object's status says why not.
        case failure
        /// The API server could not be used, or somebody was faster: again soon.
        case retry
        /// It waits for its namespace's share of the KMS, or for memory.
        case throttled
    }

    private let total: Counter
    private let durations: Histogram

    init(_ registry: MetricsRegistry) {
        total = registry.counter(
            "secretsbridge_reconcile_total", "Reconciles by result, failures with the reason of Ready.",
            labels: ["result", "reason"])
        durations = registry.histogram(
            "secretsbridge_reconcile_duration_seconds", "How long reconciles took.", labels: ["result"],
            bounds: Histogram.durationBuckets)
        for result in Result.allCases where result != .failure { total.initialize(result.rawValue, "") }
        for reason in Reason.allCases where reason != .synced {
            total.initialize(Result.failure.rawValue, reason.rawValue)
        }
    }

    func observe(_ ref: ObjectRef, _ reconciler: Reconciler) async -> WorkQueue.Outcome {
        let failure = Locked<Reason?>(nil)
        var reconciler = reconciler
        reconciler.failed = { reason in failure.withLock { $0 = reason } }
        let start = ContinuousClock.now
        let outcome = await reconciler.reconcile(ref)
        let reason = failure.withLock { $0 }
        let result = Result(outcome, reason)
        total.increment(result.rawValue, reason?.rawValue ?? "")
        durations.observe((ContinuousClock.now - start).seconds, result.rawValue)
        return outcome
    }
}

extension ReconcileMetrics.Result {
    fileprivate init(_ outcome: WorkQueue.Outcome, _ reason: Reason?) {
        self =
            switch outcome {
            case _ where reason != nil: .failure
            case .requeueRateLimited: .retry
            case .throttled, .waitingForMemory: .throttled
            case .backOff: .retry
            case .done, .requeue: .success
            }
    }
}
