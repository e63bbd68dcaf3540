import Envelope
import Metrics
import System

/// Metrics of the requests to the KMS by ClusterKeyProvider. Administrators create these, so that their number is small; its
/// KeyProviders, which tenants create, count as it.
final class ProviderRequestMetrics: Sendable {
    private struct Observer: KeyManagerObserver {
        let metrics: ProviderRequestMetrics
        let provider: String

        func requestCompleted(_ request: KeyManagerRequest.Completed) {
            metrics.record(request, of: provider)
        }
    }

    /// The label of the providers beyond the maximum. Names of objects are never upper-case.
    private static let others = "OTHER"

    private let all: KMSMetrics
    private let requests: Counter
    private let errors: Counter
    private let seconds: Counter
    /// The providers that have their own series.
    private let names = Locked<Set<String>>([])

    /// - Parameter all: Gets each request too, by backend.
    init(_ registry: MetricsRegistry, all: KMSMetrics) {
        self.all = all
        let labels = ["provider", "operation"]
        requests = registry.counter(
            "secretsbridge_key_provider_kms_requests_total",
            "Requests sent to the KMS of a ClusterKeyProvider, also for its KeyProviders.", labels: labels)
        errors = registry.counter(
            "secretsbridge_key_provider_kms_errors_total",
            "Requests of a ClusterKeyProvider that failed, and items of a batch that were refused.",
            labels: labels + ["code"])
        seconds = registry.counter(
            "secretsbridge_key_provider_kms_request_seconds_total",
            "Total duration of the requests of a ClusterKeyProvider.", labels: labels)
        prepareSeries(Self.others)
    }

    func observer(ofProvider name: String) -> any KeyManagerObserver {
        Observer(metrics: self, provider: label(of: name))
    }

    private func label(of name: String) -> String {
        let (isCounted, isNew) = names.withLock { names in
            if names.contains(name) { return (true, false) }
            guard names.count < ProviderMetrics.maximumSeries else { return (false, false) }
            names.insert(name)
            return (true, true)
        }
        if isNew { prepareSeries(name) }
        return isCounted ? name : Self.others
    }

    private func prepareSeries(_ provider: String) {
        let operation = KeyManagerOperation.unwrap.rawValue
        requests.initialize(provider, operation)
        seconds.initialize(provider, operation)
        for code in KeyManagerError.Code.allCases { errors.initialize(provider, operation, code.rawValue) }
    }

    private func record(_ request: KeyManagerRequest.Completed, of provider: String) {
        all.requestCompleted(request)
        let operation = request.operation.rawValue
        requests.increment(provider, operation)
        seconds.increment(provider, operation, by: request.duration.seconds)
        for code in request.failures { errors.increment(provider, operation, code.rawValue) }
    }
}
