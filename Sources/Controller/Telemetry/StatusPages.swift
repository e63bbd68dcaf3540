import Metrics
package import Serving

extension Telemetry {
    /// Answers for the status server. Waits for nothing but short locks.
    package func page(_ request: PageRequest) -> Page {
        switch request.path {
        case "/metrics": Page(registry.exposition(), contentType: MetricsRegistry.contentType)
        case "/healthz": Page(health.liveness())
        case "/readyz": Page(health.readiness())
        default: Page("/metrics, /healthz and /readyz are served here\n", status: 404)
        }
    }
}

extension Page {
    fileprivate init(_ report: Health.Report) {
        self.init(report.text, status: report.isGood ? 200 : 503)
    }
}
