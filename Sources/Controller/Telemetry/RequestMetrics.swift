import Envelope
import KubeClient
import Metrics
import Resources

/// Metrics of the requests to the API server, which also report to `Health` if it can be reached.
final class APIMetrics: APIObserver {
    private let requests: Counter
    private let durations: Histogram
    private let health: Health

    init(_ registry: MetricsRegistry, _ health: Health) {
        self.health = health
        requests = registry.counter(
            "secretsbridge_api_requests_total",
            "Requests to the API server; the code is the HTTP status, or a word if there was no response.",
            labels: ["verb", "resource", "code"])
        durations = registry.histogram(
            "secretsbridge_api_request_duration_seconds",
            "Time until the API server answered; for a watch, until it was open.",
            labels: ["verb", "resource"], bounds: Histogram.durationBuckets)
    }

    func requestCompleted(_ request: APIRequestRecord) {
        let code: String
        switch request.outcome {
        case .responded(let status):
            code = String(status)
            // A gateway responds with these statuses for an API server that is down.
            health.recordAPIServerRequest(isReachable: !(502...504).contains(status), code: code)
        case .failed(let failure):
            code = failure.rawValue
            if failure != .cancelled { health.recordAPIServerRequest(isReachable: false, code: code) }
        }
        requests.increment(request.verb, request.resource, code)
        durations.observe(request.duration.seconds, request.verb, request.resource)
    }
}

/// Metrics of the watches: interruptions, unreadable events and progress.
final class WatchMetrics: Sendable {
    private let restarts: Counter
    private let skipped: Counter

    init(_ registry: MetricsRegistry, watches: @escaping @Sendable () -> [WatchScopeProgress.Watch] = { [] })
    {
        skipped = registry.counter(
            "secretsbridge_watch_skipped_total",
            "Watch events and list items that cannot be read and do not name their object.",
            labels: ["resource", "problem"])
        registry.computed(
            "secretsbridge_watch_last_progress_timestamp_seconds",
            "When a list was last complete or a watch last brought an event or a bookmark; of several namespaces, of "
                + "the one where that is longest ago.", labels: ["resource"]
        ) {
            let watches = watches()
            let times = Dictionary(
                watches.map { ($0.resource.plural, $0.progress.lastProgress ?? 0) }, uniquingKeysWith: min)
            return times.map { Sample($0.value, $0.key) }
        }
        restarts = registry.counter(
            "secretsbridge_watch_restarts_total", "Lists and watches that were interrupted and restarted.",
            labels: ["resource", "reason"])
        for resource in [WrappedSecret.resource, .secrets] {
            for code in [KubeError.Code.expired, .transport, .unavailable] {
                restarts.initialize(resource.plural, code.rawValue)
            }
            for problem in UnreadableEvent.allCases { skipped.initialize(resource.plural, problem.rawValue) }
        }
    }

    func recordSkippedEvent(_ resource: Resource, _ problem: UnreadableEvent) {
        skipped.increment(resource.plural, problem.rawValue)
    }

    func recordRestart(_ resource: Resource, _ code: KubeError.Code) {
        restarts.increment(resource.plural, code.rawValue)
    }
}

/// Metrics of the requests to a KMS. A batch is one request with several items.
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
            "secretsbridge_kms_items_total", "Data keys in the requests; a batch has several.", labels: labels
        )
        errors = registry.counter(
            "secretsbridge_kms_errors_total",
            "Requests that failed, and items of a batch that were refused.", labels: labels + ["code"])
        durations = registry.histogram(
            "secretsbridge_kms_request_duration_seconds", "Duration of requests to a KMS.", labels: labels,
            bounds: Histogram.durationBuckets)
        throttled = registry.counter(
            "secretsbridge_kms_throttled_total",
            "Unwraps that had to wait because their namespace had used its share.")
    }

    func recordThrottledUnwrap() { throttled.increment() }

    func requestCompleted(_ request: KeyManagerRequest.Completed) {
        let operation = request.operation.rawValue
        requests.increment(request.backend, operation)
        items.increment(request.backend, operation, by: Double(request.items))
        durations.observe(request.duration.seconds, request.backend, operation)
        for code in request.failures { errors.increment(request.backend, operation, code.rawValue) }
    }

    /// Creates the series of the operation that a controller performs, unwrap, for each backend.
    func prepareSeries(_ keys: KeyRing) {
        let operation = KeyManagerOperation.unwrap.rawValue
        for backend in Set(keys.all.map { KeyManagerRequest.backend(ofKeyID: $0.keyID) }) {
            requests.initialize(backend, operation)
            items.initialize(backend, operation)
            for code in KeyManagerError.Code.allCases { errors.initialize(backend, operation, code.rawValue) }
        }
    }
}
