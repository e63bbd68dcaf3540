import System

/// The distribution of observed values over buckets with fixed upper bounds.
package final class Histogram: Metric {
    /// Upper bounds in seconds, from the duration of a local call to that of a request that times out.
    package static let durationBuckets: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private struct Distribution {
        /// The number of observations in each bucket alone (not cumulative). The last bucket has no upper bound.
        var buckets: [UInt64]
        var sum = 0.0

        mutating func add(_ value: Double, to bucket: Int) {
            buckets[bucket] += 1
            sum += value
        }
    }

    let family: MetricFamily
    private let bounds: [Double]
    private let series: Locked<[[String]: Distribution]>

    init(_ family: MetricFamily, bounds: [Double]) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "\(family.name): bounds ascend")
        self.family = family
        self.bounds = bounds
        let empty = Distribution(buckets: Array(repeating: 0, count: bounds.count + 1))
        series = Locked(family.labels.isEmpty ? [[]: empty] : [:])
    }

    package func observe(_ value: Double, _ labels: String...) {
        family.validate(labels)
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        series.withLock { [count = bounds.count + 1] series in
            series[labels, default: Distribution(buckets: Array(repeating: 0, count: count))].add(
                value, to: index)
        }
    }

    func write(to text: inout PrometheusTextFormat) {
        let series = series.withLock { $0 }
        for (labels, distribution) in series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            var count: UInt64 = 0
            for (bound, bucket) in zip(bounds + [.infinity], distribution.buckets) {
                count += bucket
                text.appendSample(
                    family, labels, Double(count), suffix: "_bucket",
                    extra: ("le", PrometheusTextFormat.number(bound)))
            }
            text.appendSample(family, labels, distribution.sum, suffix: "_sum")
            text.appendSample(family, labels, Double(count), suffix: "_count")
        }
    }
}
