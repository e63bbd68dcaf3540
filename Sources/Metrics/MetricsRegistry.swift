import System

/// The metrics of a process and their exposition. Metrics are made once, at the start, and used from any thread.
///
/// Label values must come from a bounded set: each new combination lives as long as the process.
package final class MetricsRegistry: Sendable {
    private let metrics = Locked<[String: any Metric]>([:])
    private let preparations = Locked<[@Sendable () -> Void]>([])

    package init() {}

    package func counter(_ name: String, _ help: String, labels: [String] = []) -> Counter {
        register(Counter(MetricFamily(name, help, .counter, labels)))
    }

    package func gauge(_ name: String, _ help: String, labels: [String] = []) -> Gauge {
        register(Gauge(MetricFamily(name, help, .gauge, labels)))
    }

    /// `bounds`: upper bounds of the buckets, ascending; +Inf is added.
    package func histogram(
        _ name: String, _ help: String, labels: [String] = [], bounds: [Double]
    ) -> Histogram {
        register(Histogram(MetricFamily(name, help, .histogram, labels), bounds: bounds))
    }

    /// A gauge, or a counter that somebody else keeps, that is read whenever the page is asked for: what is not
    /// among the samples any more is gone from the page.
    package func computed(
        _ name: String, _ help: String, _ type: MetricType = .gauge, labels: [String],
        _ read: @escaping @Sendable () -> [Sample]
    ) {
        _ = register(ComputedMetric(family: MetricFamily(name, help, type, labels), read: read))
    }

    /// The same with one sample without labels; nil: there is nothing to show.
    package func computed(
        _ name: String, _ help: String, _ type: MetricType = .gauge,
        value read: @escaping @Sendable () -> Double?
    ) {
        computed(name, help, type, labels: []) { read().map { [Sample($0)] } ?? [] }
    }

    /// Runs whenever the page is asked for, before anything is read: for what several metrics are read from.
    package func beforeExposition(_ prepare: @escaping @Sendable () -> Void) {
        preparations.withLock { $0.append(prepare) }
    }

    /// Prometheus' text format, version 0.0.4, families by name.
    package func exposition() -> String {
        for prepare in preparations.withLock({ $0 }) { prepare() }
        let metrics = metrics.withLock { Array($0.values) }
        var text = PrometheusTextFormat()
        for metric in metrics.sorted(by: { $0.family.name < $1.family.name }) {
            text.appendHeader(metric.family)
            metric.write(to: &text)
        }
        return text.text
    }

    private func register<Kind: Metric>(_ metric: Kind) -> Kind {
        let before = metrics.withLock { $0.updateValue(metric, forKey: metric.family.name) }
        precondition(before == nil, "\(metric.family.name) is registered twice")
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

/// What is the same for all series of one name.
struct MetricFamily: Sendable {
    let name: String
    let help: String
    let type: MetricType
    let labels: [String]

    init(_ name: String, _ help: String, _ type: MetricType, _ labels: [String]) {
        self.name = name
        self.help = help
        self.type = type
        self.labels = labels
    }

    func validate(_ values: [String]) {
        precondition(values.count == labels.count, "\(name) has the labels \(labels)")
    }
}
