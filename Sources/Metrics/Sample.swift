/// One series as it stands: the values of its labels, in the order in which the metric names them.
package struct Sample: Sendable {
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

/// A metric that is read from elsewhere.
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
