import CLinux

/// Forbids core dumps and inspection by other processes of the same user (prctl(2) PR_SET_DUMPABLE,
/// RLIMIT_CORE). To be called first of all. Returns false where the kernel refuses.
package func forbidMemoryDumps() -> Bool {
    sb_forbid_dumps() == 0
}
