// Linux calls that are variadic, which Swift cannot call, or that are simpler in C.
#pragma once
#include <linux/magic.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/// Declared only for GNU extensions, which Swift's importer does not ask for.
extern void *memmem(const void *text, size_t text_length, const void *part, size_t part_length);

/// Returns whether a text contains other bytes, in a time that is linear for any of both.
static inline int sb_contains(const void *text, size_t text_length, const void *part, size_t part_length) {
    return memmem(text, text_length, part, part_length) != NULL;
}

/// Disables core dumps, and ptrace and /proc/<pid>/mem for other processes of this user. Returns 0 on success.
static inline int sb_disable_core_dumps(void) {
    struct rlimit none = {0, 0};
    int dumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int core = setrlimit(RLIMIT_CORE, &none);
    return dumpable == 0 && core == 0 ? 0 : -1;
}

/// Returns whether the process ignores a signal.
static inline int sb_is_ignored(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// Restores the default action of the signals of a crash. If SWIFT_BACKTRACE is set, the Swift runtime installs handlers
/// before main that print registers and memory. A signal that the parent process ignores (SIGQUIT of a shell's background
/// jobs) stays ignored. Returns 0 on success.
static inline int sb_reset_crash_handlers(void) {
    static const int signals[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS};
    int result = 0;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (!sb_is_ignored(signals[i]) && signal(signals[i], SIG_DFL) == SIG_ERR) result = -1;
    return result;
}

/// Configures glibc's allocator to return freed memory: few arenas, and thresholds that do not grow dynamically.
static inline void sb_configure_malloc_trimming(void) {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

/// Starts a detached thread that blocks asynchronous signals, so that the threads that expect them receive them, and a write
/// to a closed connection is an error and not a SIGPIPE. Returns 0 or an errno value.
static inline int sb_start_thread(void *(*body)(void *), void *context) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t blocked, before;
    sigfillset(&blocked);
    // Signals that a fault of the thread itself raises must reach the crash handler.
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&blocked, faults[i]);
    pthread_attr_t attributes;
    pthread_t thread;
    int result = pthread_attr_init(&attributes);
    if (result != 0) return result;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // Threads inherit the mask they are created under.
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    result = pthread_create(&thread, &attributes, body, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return result;
}

/// Sets the name of the calling thread, of which the kernel keeps 15 bytes.
static inline void sb_name_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

/// Returns whether the file system of a folder is in memory: tmpfs or ramfs.
static inline int sb_is_in_memory(const char *path) {
    struct statfs info;
    if (statfs(path, &info) != 0) return 0;
    return info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC;
}

/// Creates a file in memory (memfd_create(2)) that is closed when this process starts another program. Returns a descriptor,
/// or -1.
static inline int sb_create_memory_file(void) {
    const unsigned close_on_exec = 1;
    return (int)syscall(SYS_memfd_create, "secrets-bridge", close_on_exec);
}

/// Marks the open descriptors from `first` to `last` to be closed when this process executes a program (close_range(2)). Returns 0
/// on success, and -1 if the kernel does not know the call.
static inline int sb_close_on_exec(unsigned first, unsigned last) {
#ifdef SYS_close_range
    const unsigned close_on_exec = 4;
    return (int)syscall(SYS_close_range, first, last, close_on_exec);
#else
    (void)first, (void)last;
    return -1;
#endif
}

/// Renames a file of an open folder unless something has the new name (renameat2(2) with RENAME_NOREPLACE). Returns 0 on success.
static inline int sb_rename_without_replacing(int folder, const char *from, const char *to) {
    const unsigned no_replace = 1;
    return (int)syscall(SYS_renameat2, folder, from, folder, to, no_replace);
}
