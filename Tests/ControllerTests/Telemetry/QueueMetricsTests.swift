import KubeClient
import Metrics
import System
import Testing

@testable import Controller

@Suite struct QueueMetricsTests {
    private let registry = MetricsRegistry()

    private func value(_ name: String) -> Double? { sample(registry.exposition(), name) }

    private func ref(_ name: String) -> ObjectRef { ObjectRef(namespace: "n", name: name) }

    @Test func countsAndTimesTheKeys() async {
        let depth = Locked(0)
        let metrics = QueueMetrics(registry) { depth.withLock { $0 } }
        let queue = WorkQueue(maximumDelay: .milliseconds(10), observe: metrics.record(_:))
        queue.add(ref("a"))
        queue.add(ref("a"))
        queue.add(ref("b"), backlog: true)
        queue.add(ref("b"))
        depth.withLock { $0 = queue.count }
        #expect(value("secretsbridge_workqueue_adds_total") == 2, "a key that waits already is not counted")
        #expect(value("secretsbridge_workqueue_depth") == 2)
        #expect(value("secretsbridge_workqueue_longest_running_processor_seconds") == 0)

        _ = await queue.processNext { [self] key in
            queue.add(key)
            try? await Task.sleep(for: .milliseconds(5))
            #expect(value("secretsbridge_workqueue_longest_running_processor_seconds") ?? 0 >= 0.005)
            #expect(metrics.allWorkersBusyDuration(workers: 1) ?? .zero >= .milliseconds(5))
            #expect(metrics.allWorkersBusyDuration(workers: 2) == nil, "one of two workers is idle")
            return .requeueRateLimited
        }
        #expect(metrics.allWorkersBusyDuration(workers: 1) == nil)
        #expect(value("secretsbridge_workqueue_adds_total") == 3, "a key in processing is counted")
        #expect(value("secretsbridge_workqueue_retries_total") == 1)
        #expect(value("secretsbridge_workqueue_work_duration_seconds_count") == 1)
        #expect(value("secretsbridge_workqueue_work_duration_seconds_sum") ?? 0 >= 0.005)
        for _ in 0..<2 { _ = await queue.processNext { _ in .done } }
        #expect(value("secretsbridge_workqueue_queue_duration_seconds_count") == 3)
        #expect(value("secretsbridge_workqueue_longest_running_processor_seconds") == 0)
    }

    @Test func countsADelayedKeyWhenItIsDue() {
        let metrics = QueueMetrics(registry) { 0 }
        var machine = WorkQueueMachine<ObjectRef>()
        machine.observe = metrics.record(_:)
        machine.add(ref("a"), at: .now)
        #expect(value("secretsbridge_workqueue_adds_total") == 0)
        _ = machine.promoteDueKeys(now: .now)
        #expect(value("secretsbridge_workqueue_adds_total") == 1)
    }
}

/// Returns the value of a series on a page, or nil if the page does not have it.
func sample(_ page: String, _ series: String) -> Double? {
    let line = page.split(separator: "\n").first { $0.hasPrefix("\(series) ") }
    return line.flatMap { Double($0.dropFirst(series.count + 1)) }
}
