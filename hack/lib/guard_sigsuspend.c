// For hack/guard. libdispatch passes sigsuspend a set in read-only memory, and valgrind 3.19 writes to that set, which ends
// the process: give it a copy.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>

int sigsuspend(const sigset_t *set) {
    static int (*next)(const sigset_t *);
    if (!next) next = (int (*)(const sigset_t *))dlsym(RTLD_NEXT, "sigsuspend");
    sigset_t copy = *set;
    return next(&copy);
}
