#ifndef CSYSTEM_H
#define CSYSTEM_H

/* What Swift's Glibc module does not show, or cannot call: epoll, eventfd, variadic calls, macros. */

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/xattr.h>
#include <time.h>

/** Nanoseconds on CLOCK_MONOTONIC: for deadlines inside one process. */
static inline uint64_t csys_monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/** Nanoseconds on CLOCK_BOOTTIME: counts suspend, is shared by all processes of one boot. */
static inline uint64_t csys_boottime_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/** Milliseconds since 1970 on CLOCK_REALTIME. */
static inline int64_t csys_wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/** The commit that a release was built from; empty elsewhere. */
const char *csys_commit(void);

/** Whether more than its mode says who may do what with a file (acl(5)). */
static inline int csys_has_access_list(const char *path) {
    return getxattr(path, "system.posix_acl_access", 0, 0) > 0;
}

#include "Caching.h"
#include "FastCGIShims.h"
#include "Supervision.h"
#include "Waiting.h"

#endif
