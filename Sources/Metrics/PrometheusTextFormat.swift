/// Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats").
struct PrometheusTextFormat {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func appendHeader(_ family: MetricFamily) {
        text += "# HELP \(family.name) \(Self.escaped(family.help, quotes: false))\n"
        text += "# TYPE \(family.name) \(family.type.rawValue)\n"
    }

    /// - Parameter series: The values of the metric by their label values, in the order of `family.labels`.
    mutating func appendSamples(_ family: MetricFamily, _ series: [[String]: Double]) {
        for (labels, value) in series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            appendSample(family, labels, value)
        }
    }

    /// - Parameters:
    ///   - labels: The label values, in the order of `family.labels`.
    ///   - extra: One more label, as a name and a value, such as `le` of a histogram.
    mutating func appendSample(
        _ family: MetricFamily, _ labels: [String], _ value: Double, suffix: String = "",
        extra: (String, String)? = nil
    ) {
        var pairs = Array(zip(family.labels, labels))
        if let extra { pairs.append(extra) }
        let list = pairs.map { "\($0.0)=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
        text += family.name + suffix + (list.isEmpty ? "" : "{\(list)}") + " \(Self.number(value))\n"
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Whole numbers are written without ".0" as long as a Double represents them exactly.
        if value == value.rounded(), abs(value) < 9e15 { return String(Int64(value)) }
        return "\(value)"
    }

    private static func escaped(_ value: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

extension MetricsRegistry {
    package static var contentType: String { PrometheusTextFormat.contentType }
}
