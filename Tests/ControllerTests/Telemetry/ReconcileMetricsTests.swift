import Envelope
import KubeClient
import Metrics
import Resources
import TestSupport
import Testing

@testable import Controller

@Suite struct ReconcileMetricsTests {
    private let registry = MetricsRegistry()

    private func total(_ result: String, _ reason: String = "") -> Double? {
        sample(
            registry.exposition(),
            #"secretsbridge_reconcile_total{result="\#(result)",reason="\#(reason)"}"#)
    }

    @Test func countsByResultAndReason() async throws {
        let metrics = ReconcileMetrics(registry)
        #expect(total("failure", "KMSUnavailable") == 0, "the series exists before the first failure")
        let cluster = try await TestCluster.withWrappedSecret()
        cluster.keys.fail(.unavailable)
        #expect(await metrics.observe(cluster.ref, cluster.reconciler) == .requeueRateLimited)
        #expect(total("failure", "KMSUnavailable") == 1)

        cluster.keys.fail(.invalidCiphertext)
        try cluster.syncCaches()
        // A failure with a long delay counts too.
        #expect(await metrics.observe(cluster.ref, cluster.reconciler).isRequeueAfter)
        #expect(total("failure", "DecryptFailed") == 1)

        cluster.keys.fail(nil)
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        cluster.server.failNext("POST", "/secrets", .status(500, "InternalError"))
        #expect(await metrics.observe(cluster.ref, cluster.reconciler) == .requeueRateLimited)
        #expect(total("retry") == 1)
        #expect(await metrics.observe(cluster.ref, cluster.reconciler) == .done)
        #expect(total("success") == 1)
        #expect(total("throttled") == 0)
        #expect(
            sample(
                registry.exposition(), #"secretsbridge_reconcile_duration_seconds_count{result="failure"}"#)
                == 2)
    }

    @Test func preparesASeriesForEveryReason() {
        _ = ReconcileMetrics(registry)
        for reason in Reason.allCases where reason != .synced {
            #expect(total("failure", reason.rawValue) == 0)
        }
    }
}
