import Foundation
import Testing

@testable import Metrics

@Suite struct ProcessMetricsTests {
    @Test func readsTheStateOfThisProcess() throws {
        let memory = try #require(ProcessStatus.memory)
        #expect(memory.resident > 1_000_000)
        #expect(memory.virtual >= memory.resident)
        #expect(try #require(ProcessStatus.cpuSeconds) > 0)
        let start = try #require(ProcessStatus.startTime)
        let age = Date.now.timeIntervalSince1970 - start
        // The boot time has a resolution of a second.
        #expect((-2...86400).contains(age), "\(age)")
    }

    @Test func countsOpenFiles() throws {
        let limit = try #require(ProcessStatus.fileLimit)
        let before = try #require(ProcessStatus.openFiles)
        var files: [FileHandle] = []
        for _ in 0..<200 { files.append(try #require(FileHandle(forReadingAtPath: "/dev/null"))) }
        let during = try #require(ProcessStatus.openFiles)
        // Other tests open and close files at the same time.
        #expect(during - before > 100)
        #expect(during <= limit)
        withExtendedLifetime(files) {}
    }

    @Test func usesTheNamesOfPrometheusClients() {
        let registry = MetricsRegistry()
        registry.registerProcessMetrics()
        let text = registry.exposition()
        for name in [
            "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_cpu_seconds_total",
            "process_open_fds", "process_max_fds", "process_start_time_seconds",
        ] {
            #expect(text.contains("\n\(name) "), "\(name)")
        }
    }
}
