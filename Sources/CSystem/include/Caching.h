#ifndef CSYSTEM_CACHING_H
#define CSYSTEM_CACHING_H

/* Locks on bytes of a file, a page of memory that processes share, and a mutex with a deadline. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* fcntl(2): open file description locks. glibc shows the names only under _GNU_SOURCE. */
#define CSYS_OFD_SETLK 37

/** Takes the lock on one byte (1: exclusive, 2: shared) or lets go of it (0), without waiting. 0, or errno (EAGAIN: another has it). */
static inline int csys_lock_byte(int descriptor, int64_t byte, int kind) {
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = kind == 1 ? F_WRLCK : kind == 2 ? F_RDLCK : F_UNLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    return fcntl(descriptor, CSYS_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

/** dup3(2) with O_CLOEXEC, which glibc shows only under _GNU_SOURCE. 0, or -1 with errno. */
int csys_replace_descriptor(int fresh, int old);

/** A mapping of the first `length` bytes shared with every process that maps the file, or NULL. */
static inline void *csys_map_shared(int descriptor, uint64_t length) {
    void *start = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return start == MAP_FAILED ? 0 : start;
}

/** The same in place of the mapping that begins at `start`, which goes. */
static inline int csys_map_shared_again(void *start, int descriptor, uint64_t length) {
    return mmap(start, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0) == MAP_FAILED ? -1 : 0;
}

/** Has a mapping outlive its file's being cut: the first touch beyond the end puts zeroes in place of all of it. Sixteen mappings at most;
    one more ends the process as it would without this. */
void csys_guard_shared(void *start, uint64_t length);

/** Before the mapping goes. */
void csys_unguard_shared(void *start);

/* Four sums over words, side by side, so that the processor works on all of them at once. */
struct csys_lanes {
    uint64_t a, b, c, d;
};

/* A bijection of either argument: no change of one word goes unnoticed. The turn brings the upper bits, which a product leaves where they
   are, among those that the next product spreads. */
static inline uint64_t csys_lane(uint64_t lane, const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    lane = (lane ^ word) * 0x9FB21C651E98DF25u;
    return lane << 32 | lane >> 32;
}

/** Takes so many blocks of 64 bytes into the sums, each word in the host's order of bytes. Every copy that is read is summed up. */
static inline struct csys_lanes csys_sum_blocks(const void *start, uint64_t blocks, struct csys_lanes lanes) {
    const uint8_t *at = (const uint8_t *)start;
    for (const uint8_t *end = at + 64 * blocks; at != end; at += 64) {
        lanes.a = csys_lane(csys_lane(lanes.a, at), at + 32);
        lanes.b = csys_lane(csys_lane(lanes.b, at + 8), at + 40);
        lanes.c = csys_lane(csys_lane(lanes.c, at + 16), at + 48);
        lanes.d = csys_lane(csys_lane(lanes.d, at + 24), at + 56);
    }
    return lanes;
}

static inline uint64_t csys_load64(const void *at) { return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE); }
static inline void csys_store64(void *at, uint64_t value) { __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE); }
static inline uint64_t csys_add64(void *at, uint64_t value) { return __atomic_add_fetch((uint64_t *)at, value, __ATOMIC_ACQ_REL); }
static inline uint32_t csys_load32(const void *at) { return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE); }
static inline uint32_t csys_add32(void *at, uint32_t value) { return __atomic_add_fetch((uint32_t *)at, value, __ATOMIC_ACQ_REL); }

/* pthread.h shows it only under _GNU_SOURCE (glibc 2.30). */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until);

/** Waits by the monotonic clock, as pthread_mutex_timedlock(3) does not: it is over in time when somebody sets the wall clock meanwhile. 0, or
    errno (ETIMEDOUT). */
static inline int csys_mutex_lock_within(pthread_mutex_t *mutex, uint64_t nanoseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nsec = (uint64_t)until.tv_nsec + nanoseconds;
    until.tv_sec += (time_t)(nsec / 1000000000u);
    until.tv_nsec = (long)(nsec % 1000000000u);
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}

#endif
