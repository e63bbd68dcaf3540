import System

/// What only grows.
package final class Counter: Metric {
    let family: MetricFamily
    private let series: Locked<[[String]: Double]>

    init(_ family: MetricFamily) {
        self.family = family
        series = Locked(family.labels.isEmpty ? [[]: 0] : [:])
    }

    package func increment(_ labels: String..., by amount: Double = 1) {
        add(amount, labels)
    }

    /// Shows a series before anything was counted: a series that begins at 1 never seems to have grown.
    package func initialize(_ labels: String...) {
        add(0, labels)
    }

    func write(to text: inout PrometheusTextFormat) {
        text.appendSamples(family, series.withLock { $0 })
    }

    private func add(_ amount: Double, _ labels: [String]) {
        family.validate(labels)
        series.withLock { $0[labels, default: 0] += amount }
    }
}

/// What goes up and down.
package final class Gauge: Metric {
    let family: MetricFamily
    private let series = Locked<[[String]: Double]>([:])

    init(_ family: MetricFamily) {
        self.family = family
    }

    package func set(_ value: Double, _ labels: String...) {
        family.validate(labels)
        series.withLock { $0[labels] = value }
    }

    func write(to text: inout PrometheusTextFormat) {
        text.appendSamples(family, series.withLock { $0 })
    }
}
