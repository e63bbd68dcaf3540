import System

/// A value that only grows, for each combination of labels.
package final class Counter: Metric {
    let family: MetricFamily
    private let series: Locked<[[String]: Double]>

    init(_ family: MetricFamily) {
        self.family = family
        // Without labels, the only series is known and begins at 0, as `initialize` describes.
        series = Locked(family.labels.isEmpty ? [[]: 0] : [:])
    }

    package func increment(_ labels: String..., by amount: Double = 1) {
        add(amount, labels)
    }

    /// Creates a series with the value 0. Prometheus computes no increase for a series that begins at 1.
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

/// The current value of one series.
package struct Sample: Sendable {
    /// The values of the labels, in the order of the metric's label names.
    package let labels: [String]
    package let value: Double

    package init(_ value: Double, _ labels: String...) {
        self.init(value, labels: labels)
    }

    package init(_ value: Double, labels: [String]) {
        self.labels = labels
        self.value = value
    }
}

/// A metric whose samples are computed for each exposition.
struct ComputedMetric: Metric {
    let family: MetricFamily
    let read: @Sendable () -> [Sample]

    func write(to text: inout PrometheusTextFormat) {
        for sample in read().sorted(by: { $0.labels.lexicographicallyPrecedes($1.labels) }) {
            family.validate(sample.labels)
            text.appendSample(family, sample.labels, sample.value)
        }
    }
}
