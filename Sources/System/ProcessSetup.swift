import CLinux
import Glibc

/// Protects the memory of this process: it disables core dumps, inspection by other processes of the same user
/// (prctl(2) PR_SET_DUMPABLE, RLIMIT_CORE) and the crash reports of the Swift runtime (SWIFT_BACKTRACE), which print
/// registers and memory. Ignored signals stay ignored. Only `InheritedSignals.record` must be called earlier.
///
/// - Returns: false if the kernel refuses at least one of these protections.
package func hardenProcess() -> Bool {
    let isUndumpable = sb_disable_core_dumps() == 0
    return sb_reset_crash_handlers() == 0 && isUndumpable
}

/// Configures glibc's allocator to return freed memory to the system (mallopt(3)). By default it retains more, the
/// higher the peak was, which looks like a leak in a process that runs for months. It must be called early.
package func configureMallocTrimming() {
    sb_configure_malloc_trimming()
}

/// Removes SSLKEYLOGFILE from the environment, with which TLS libraries write the keys of their sessions to a file. Must be called
/// before they are initialized.
///
/// - Returns: true if the variable was set.
package func disableTLSKeyLog() -> Bool {
    let variable = "SSLKEYLOGFILE"
    guard getenv(variable) != nil else { return false }
    unsetenv(variable)
    return true
}

/// Returns the environment for programs that this process starts, such as a kubeconfig's credential plugins: without
/// the settings of Secrets Bridge (`SB_…`), one of which may be a master key.
package func inheritableEnvironment() -> [String: String] {
    var values: [String: String] = [:]
    var next = environ
    while let pointer = next.pointee {
        defer { next += 1 }
        guard strncmp(pointer, "SB_", 3) != 0, let equals = strchr(pointer, Int32(UInt8(ascii: "="))) else {
            continue
        }
        let name = UnsafeRawBufferPointer(start: pointer, count: equals - pointer)
        values[String(decoding: name, as: UTF8.self)] = String(cString: equals + 1)
    }
    return values
}
