import Metrics
package import Serving

extension Telemetry {
    /// Answers for the status server. Waits for nothing but short locks.
    package func page(_ request: AdminRequest) -> AdminResponse {
        switch request.path {
        case "/metrics": AdminResponse(registry.exposition(), contentType: MetricsRegistry.contentType)
        case "/healthz": AdminResponse(health.liveness())
        case "/readyz": AdminResponse(health.readiness())
        default: AdminResponse("/metrics, /healthz and /readyz are served here\n", status: 404)
        }
    }
}

extension AdminResponse {
    fileprivate init(_ report: Health.Report) {
        self.init(report.text, status: report.isHealthy ? 200 : 503)
    }
}
