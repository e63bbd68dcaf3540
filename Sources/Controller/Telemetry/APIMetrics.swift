import KubeClient
import Metrics
import Resources

/// Requests to the API server. They also tell whether it can be reached.
final class APIMetrics: APIObserver {
    private let requests: Counter
    private let durations: Histogram
    private let health: Health

    init(_ registry: MetricsRegistry, _ health: Health) {
        self.health = health
        requests = registry.counter(
            "secretsbridge_api_requests_total",
            "Requests to the API server; the code is the HTTP status, or a word where no answer came.",
            labels: ["verb", "resource", "code"])
        durations = registry.histogram(
            "secretsbridge_api_request_duration_seconds",
            "How long the API server took to answer; of a watch, until it was open.",
            labels: ["verb", "resource"], bounds: Histogram.durationBuckets)
    }

    func requestCompleted(_ request: APIRequestRecord) {
        let code: String
        switch request.outcome {
        case .responded(let status):
            code = String(status)
            // A gateway answers for a server that is not there.
            health.recordAPIServerRequest(isReachable: !(502...504).contains(status), code: code)
        case .failed(let failure):
            code = failure.rawValue
            if failure != .cancelled { health.recordAPIServerRequest(isReachable: false, code: code) }
        }
        requests.increment(request.verb, request.resource, code)
        durations.observe(request.duration.seconds, request.verb, request.resource)
    }
}

/// Watches that did not end in order, and whether they get on.
final class WatchMetrics: Sendable {
    private let restarts: Counter
    private let skipped: Counter

    init(_ registry: MetricsRegistry, progress: @escaping @Sendable () -> [WatchScopeProgress] = { [] }) {
        skipped = registry.counter(
            "secretsbridge_watch_skipped_total",
            "Watch events and list items that cannot be read and do not tell which object they are about.",
            labels: ["resource", "problem"])
        registry.computed(
            "secretsbridge_watch_last_progress_timestamp_seconds",
            "When a list was last complete or a watch last brought an event or a bookmark; of several namespaces, of "
                + "the one where that is longest ago.", labels: ["resource"]
        ) {
            let all = progress().flatMap(\.watches)
            let times = Dictionary(
                all.map { ($0.resource.plural, $0.progress.lastProgress ?? 0) }, uniquingKeysWith: min)
            return times.map { Sample($0.value, $0.key) }
        }
        restarts = registry.counter(
            "secretsbridge_watch_restarts_total",
            "Lists and watches that broke off and were begun again.", labels: ["resource", "reason"])
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
