import CLinux

/// Has freed memory go back to the system (mallopt(3)). By itself, glibc's allocator keeps the more of it the wilder a
/// time was, which in a process that runs for months looks like a leak. To be called before there is much in memory.
package func configureMallocTrimming() {
    sb_return_freed_memory()
}
