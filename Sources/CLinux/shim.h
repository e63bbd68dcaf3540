// Linux calls that Glibc's Swift module leaves out, because they are variadic.
#pragma once
#include <sys/prctl.h>
#include <sys/resource.h>

/// No core dumps, and no ptrace or /proc/<pid>/mem for other processes of this user.
static inline int sb_forbid_dumps(void) {
    struct rlimit none = {0, 0};
    int dumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int core = setrlimit(RLIMIT_CORE, &none);
    return dumpable == 0 && core == 0 ? 0 : -1;
}
