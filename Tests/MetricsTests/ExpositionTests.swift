import System
import Testing

@testable import Metrics

@Suite struct ExpositionTests {
    @Test func writesTheTextFormat() {
        let registry = MetricsRegistry()
        let requests = registry.counter("sb_requests_total", "Requests, by code.", labels: ["verb", "code"])
        requests.increment("get", "200")
        requests.increment("get", "200", by: 2.5)
        requests.initialize("get", "500")
        registry.computed("sb_info", "What runs.", labels: ["version"]) { [Sample(1, "0.1.0")] }
        registry.counter("sb_restarts_total", "Restarts.").increment()
        let latency = registry.histogram(
            "sb_latency_seconds", "Latency.", labels: ["verb"], bounds: [0.5, 1])
        for value in [0.1, 0.5, 0.7, 3] { latency.observe(value, "get") }
        registry.computed("sb_depth", "Depth.") { 7 }
        registry.computed("sb_objects", "Objects.", labels: ["ready"]) {
            [Sample(2, "True"), Sample(1, "False")]
        }
        registry.computed("sb_nothing", "Nothing to show.") { nil }
        #expect(
            registry.exposition() == """
                # HELP sb_depth Depth.
                # TYPE sb_depth gauge
                sb_depth 7
                # HELP sb_info What runs.
                # TYPE sb_info gauge
                sb_info{version="0.1.0"} 1
                # HELP sb_latency_seconds Latency.
                # TYPE sb_latency_seconds histogram
                sb_latency_seconds_bucket{verb="get",le="0.5"} 2
                sb_latency_seconds_bucket{verb="get",le="1"} 3
                sb_latency_seconds_bucket{verb="get",le="+Inf"} 4
                sb_latency_seconds_sum{verb="get"} 4.3
                sb_latency_seconds_count{verb="get"} 4
                # HELP sb_nothing Nothing to show.
                # TYPE sb_nothing gauge
                # HELP sb_objects Objects.
                # TYPE sb_objects gauge
                sb_objects{ready="False"} 1
                sb_objects{ready="True"} 2
                # HELP sb_requests_total Requests, by code.
                # TYPE sb_requests_total counter
                sb_requests_total{verb="get",code="200"} 3.5
                sb_requests_total{verb="get",code="500"} 0
                # HELP sb_restarts_total Restarts.
                # TYPE sb_restarts_total counter
                sb_restarts_total 1

                """)
    }

    @Test func escapesLineBreaksAndQuotes() {
        let registry = MetricsRegistry()
        registry.computed("sb_a", "One \\ two\nthree \"four\"", labels: ["l"]) {
            [Sample(1, "a\\b\"c\nd é")]
        }
        #expect(
            registry.exposition() == #"""
                # HELP sb_a One \\ two\nthree "four"
                # TYPE sb_a gauge
                sb_a{l="a\\b\"c\nd é"} 1

                """#)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (12, "12"), (-3, "-3"), (0.25, "0.25"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (1e300, "1e+300"), (1_700_000_000.5, "1700000000.5"),
        ] as [(Double, String)])
    func writesNumbers(value: Double, text: String) {
        #expect(PrometheusTextFormat.number(value) == text)
    }

    @Test func writesHistogramsWithoutLabelsBeforeTheFirstObservation() {
        let registry = MetricsRegistry()
        _ = registry.histogram("sb_h", "H.", bounds: [1])
        #expect(
            registry.exposition() == """
                # HELP sb_h H.
                # TYPE sb_h histogram
                sb_h_bucket{le="1"} 0
                sb_h_bucket{le="+Inf"} 0
                sb_h_sum 0
                sb_h_count 0

                """)
    }

    @Test func dropsComputedSeriesWithoutSamples() {
        let registry = MetricsRegistry()
        let objects = Locked(["a"])
        registry.computed("sb_objects", "Objects.", labels: ["name"]) {
            objects.withLock { $0 }.map { Sample(1, $0) }
        }
        #expect(registry.exposition().contains(#"sb_objects{name="a"} 1"#))
        objects.withLock { $0 = [] }
        #expect(!registry.exposition().contains("sb_objects{"))
    }

    @Test func countsConcurrentUpdates() async {
        let registry = MetricsRegistry()
        let counter = registry.counter("sb_c_total", "C.", labels: ["l"])
        let histogram = registry.histogram("sb_h", "H.", bounds: [1])
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.increment("\(task % 2)")
                        histogram.observe(0.5)
                        if task == 0 { _ = registry.exposition() }
                    }
                }
            }
        }
        let text = registry.exposition()
        for line in [
            #"sb_c_total{l="0"} 4000"#, #"sb_c_total{l="1"} 4000"#, "sb_h_count 8000", "sb_h_sum 4000",
        ] {
            #expect(text.contains(line + "\n"))
        }
    }
}
