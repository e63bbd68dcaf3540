import Envelope
import Metrics

/// Requests to KMSs. A batch is one request with several items.
final class KMSMetrics: KeyManagerObserver {
    private let requests: Counter
    private let items: Counter
    private let errors: Counter
    private let durations: Histogram
    private let throttled: Counter

    init(_ registry: MetricsRegistry) {
        let labels = ["backend", "operation"]
        requests = registry.counter(
            "secretsbridge_kms_requests_total", "Requests sent to a KMS.", labels: labels)
        items = registry.counter(
            "secretsbridge_kms_items_total", "Data keys that the requests were about; a batch has several.",
            labels: labels)
        errors = registry.counter(
            "secretsbridge_kms_errors_total",
            "Requests that failed, and items of a batch that were refused.", labels: labels + ["code"])
        durations = registry.histogram(
            "secretsbridge_kms_request_duration_seconds", "How long requests to a KMS took.", labels: labels,
            bounds: Histogram.durationBuckets)
        throttled = registry.counter(
            "secretsbridge_kms_throttled_total",
            "Unwraps that had to wait because their namespace had spent its share.")
    }

    func recordThrottledUnwrap() { throttled.increment() }

    func requestCompleted(_ request: KeyManagerRequest.Completed) {
        let operation = request.operation.rawValue
        requests.increment(request.backend, operation)
        items.increment(request.backend, operation, by: Double(request.items))
        durations.observe(request.duration.seconds, request.backend, operation)
        for code in request.failures { errors.increment(request.backend, operation, code.rawValue) }
    }

    /// Shows the series of unwraps, which is what a controller does.
    func prepareSeries(_ keys: KeyRing) {
        let operation = KeyManagerOperation.unwrap.rawValue
        for backend in Set(keys.all.map { KeyManagerRequest.backend(ofKeyID: $0.keyID) }) {
            requests.initialize(backend, operation)
            items.initialize(backend, operation)
            for code in KeyManagerError.Code.allCases { errors.initialize(backend, operation, code.rawValue) }
        }
    }
}
