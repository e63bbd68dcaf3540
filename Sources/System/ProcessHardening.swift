import CLinux

/// Keeps what is in this process's memory from others: no core dumps and no inspection by other processes of the same
/// user (prctl(2) PR_SET_DUMPABLE, RLIMIT_CORE), and no crash report of the Swift runtime, whatever SWIFT_BACKTRACE says
/// (it prints registers and memory). Signals that are ignored stay ignored. To be called first of all, but for
/// `InheritedSignals.record`. Returns false if the kernel refuses a part of it.
package func hardenProcess() -> Bool {
    let isUndumpable = sb_forbid_dumps() == 0
    return sb_reset_crash_handlers() == 0 && isUndumpable
}
