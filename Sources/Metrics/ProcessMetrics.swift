import Glibc

extension MetricsRegistry {
    /// Registers the metrics of the process, with the names that Prometheus' client libraries use.
    package func registerProcessMetrics() {
        computed("process_resident_memory_bytes", "Resident memory size in bytes.") {
            ProcessStatus.memory?.resident
        }
        computed("process_virtual_memory_bytes", "Virtual memory size in bytes.") {
            ProcessStatus.memory?.virtual
        }
        computed(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", .counter
        ) {
            ProcessStatus.cpuSeconds
        }
        computed("process_open_fds", "Number of open file descriptors.") { ProcessStatus.openFiles }
        computed("process_max_fds", "Maximum number of open file descriptors.") { ProcessStatus.fileLimit }
        let start = ProcessStatus.startTime
        computed("process_start_time_seconds", "Start time of the process since unix epoch in seconds.") {
            start
        }
    }
}

/// Reads the state of this process from Linux. Values are nil if the kernel does not provide them.
enum ProcessStatus {
    static var memory: (resident: Double, virtual: Double)? {
        // proc(5), statm: the total and the resident size in pages.
        let pages = contents("/proc/self/statm")?.split(separator: " ").compactMap { Double($0) }
        guard let pages, pages.count >= 2 else { return nil }
        let size = Double(sysconf(Int32(_SC_PAGESIZE)))
        return (pages[1] * size, pages[0] * size)
    }

    static var cpuSeconds: Double? {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }

    /// The number of open file descriptors. A process that is not dumpable (prctl(2),
    /// PR_SET_DUMPABLE) cannot read /proc/self/fd, so the numbers are probed in ranges of 1024 until a range has no
    /// open one: the kernel assigns the lowest free number.
    static var openFiles: Double? {
        var open = 0
        var first: Int32 = 0
        while true {
            let openInRange = (first..<first + 1024).count { fcntl($0, F_GETFD) >= 0 }
            guard openInRange > 0 else { return Double(open) }
            open += openInRange
            first += 1024
        }
    }

    static var fileLimit: Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Double(limit.rlim_cur)
    }

    static var startTime: Double? {
        // proc(5), stat: field 22, in clock ticks since boot. The name in parentheses may contain spaces.
        // After it comes field 3, so field 22 has the index 19.
        let fields = contents("/proc/self/stat")?.split(separator: ")").last?.split(separator: " ")
        let boot = contents("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        guard let fields, fields.count > 19, let ticks = Double(fields[19]),
            let booted = boot.flatMap({ Double($0.dropFirst("btime ".count)) })
        else { return nil }
        return booted + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func contents(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
