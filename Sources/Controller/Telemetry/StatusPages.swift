import Metrics
package import Serving

extension Telemetry {
    /// Answers for the status server. Waits for nothing but short locks.
    package func page(_ request: PageRequest) -> Page {
        switch request.path {
        case "/metrics": Page(contentType: MetricsRegistry.contentType, registry.exposition())
        case "/healthz": Page(health.liveness())
        case "/readyz": Page(health.readiness())
        default: Page(404, "/metrics, /healthz and /readyz are served here\n")
        }
    }
}

extension Page {
    fileprivate init(_ report: Health.Report) {
        self.init(report.isGood ? 200 : 503, report.text)
    }
}
