import System

/// The metrics of a process. Metrics are registered once, at the start, and are safe to use from any thread.
///
/// Label values must come from a bounded set: each combination stays in memory as long as the process runs.
package final class MetricsRegistry: Sendable {
    private let metrics = Locked<[String: any Metric]>([:])

    package init() {}

    package func counter(_ name: String, _ help: String, labels: [String] = []) -> Counter {
        register(Counter(MetricFamily(name: name, help: help, type: .counter, labels: labels)))
    }

    /// - Parameter bounds: The upper bounds of the buckets in ascending order, without +Inf.
    package func histogram(
        _ name: String, _ help: String, labels: [String] = [], bounds: [Double]
    ) -> Histogram {
        register(
            Histogram(MetricFamily(name: name, help: help, type: .histogram, labels: labels), bounds: bounds))
    }

    /// Registers a metric that is read at each exposition. Only the returned samples are exposed.
    package func computed(
        _ name: String, _ help: String, _ type: MetricType = .gauge, labels: [String],
        _ read: @escaping @Sendable () -> [Sample]
    ) {
        _ = register(
            ComputedMetric(
                family: MetricFamily(name: name, help: help, type: type, labels: labels), read: read))
    }

    /// Registers a metric without labels that is read at each exposition. It has no sample while `read` returns nil.
    package func computed(
        _ name: String, _ help: String, _ type: MetricType = .gauge,
        value read: @escaping @Sendable () -> Double?
    ) {
        computed(name, help, type, labels: []) { read().map { [Sample($0)] } ?? [] }
    }

    /// Returns all metrics in Prometheus' text format, version 0.0.4, ordered by name.
    package func exposition() -> String {
        let metrics = metrics.withLock { Array($0.values) }
        var text = PrometheusTextFormat()
        for metric in metrics.sorted(by: { $0.family.name < $1.family.name }) {
            text.appendHeader(metric.family)
            metric.write(to: &text)
        }
        return text.text
    }

    private func register<M: Metric>(_ metric: M) -> M {
        let existing = metrics.withLock { $0.updateValue(metric, forKey: metric.family.name) }
        precondition(existing == nil, "\(metric.family.name) is registered twice")
        return metric
    }
}

protocol Metric: Sendable {
    var family: MetricFamily { get }
    func write(to text: inout PrometheusTextFormat)
}

package enum MetricType: String, Sendable {
    case counter, gauge, histogram
}

/// The name, help text, type and label names that all series of a metric share.
struct MetricFamily: Sendable {
    let name: String
    let help: String
    let type: MetricType
    let labels: [String]

    func validate(_ values: [String]) {
        precondition(values.count == labels.count, "\(name) needs one value for each of the labels \(labels)")
    }
}
