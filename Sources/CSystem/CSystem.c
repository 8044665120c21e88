#define _GNU_SOURCE
#include "CSystem.h"
#include "Caching.h"

#include <sched.h>
#include <signal.h>

#define CSYS_REGIONS 16

/* Mappings whose files may be cut under them. A free place has the start 0. */
static struct {
    uintptr_t start;
    uint64_t length;
} csys_regions[CSYS_REGIONS];

/* A page beyond the end of its file was touched (mmap(2), SIGBUS). Memory of one's own is put in its place, all zero: whoever looks there sees
   that what he shared is gone, and the process lives. Only calls that a signal handler may make. */
static void csys_on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    for (int place = 0; place < CSYS_REGIONS; place++) {
        uintptr_t start = __atomic_load_n(&csys_regions[place].start, __ATOMIC_ACQUIRE);
        if (start == 0 || at < start || at - start >= csys_regions[place].length) continue;
        void *fresh = mmap((void *)start, csys_regions[place].length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        errno = saved;
        if (fresh != MAP_FAILED) return;
    }
    /* Not ours: the access is made again, and ends the process as it would have. */
    signal(number, SIG_DFL);
    errno = saved;
}

void csys_guard_shared(void *start, uint64_t length) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = csys_on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, 0);
    for (int place = 0; place < CSYS_REGIONS; place++) {
        /* A taken place has an odd start until it is whole: no address in a mapping matches it. */
        uintptr_t none = 0;
        if (!__atomic_compare_exchange_n(&csys_regions[place].start, &none, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
        csys_regions[place].length = length;
        __atomic_store_n(&csys_regions[place].start, (uintptr_t)start, __ATOMIC_RELEASE);
        return;
    }
}

void csys_unguard_shared(void *start) {
    for (int place = 0; place < CSYS_REGIONS; place++) {
        uintptr_t here = (uintptr_t)start;
        if (__atomic_compare_exchange_n(&csys_regions[place].start, &here, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return;
    }
}

int csys_replace_descriptor(int fresh, int old) { return dup3(fresh, old, O_CLOEXEC) < 0 ? -1 : 0; }

/* Package.swift defines it where the environment of the build tells it. */
#ifndef CSYS_COMMIT
#define CSYS_COMMIT ""
#endif

const char *csys_commit(void) { return CSYS_COMMIT; }

int csys_processors_allowed(void) {
    /* More processors than the set has room for is EINVAL: then all that are online count. */
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return (int)sysconf(_SC_NPROCESSORS_ONLN);
    return CPU_COUNT(&allowed);
}
