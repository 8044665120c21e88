#ifndef CSYSTEM_WAITING_H
#define CSYSTEM_WAITING_H

/* Waiting for one descriptor, to the nanosecond (poll() rounds to milliseconds), and asking whether it has ended. */

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

/* glibc shows it under _GNU_SOURCE only, which Swift's importer does not set. */
extern int ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

/** How many processors the process may run on (sched_getaffinity(2)). */
int csys_processors_allowed(void);

/** Waits until a descriptor can be read (1), the time is over (0), or a signal came (-1, errno EINTR). A negative descriptor just waits. */
static inline int csys_wait_readable(int descriptor, uint64_t nanoseconds) {
    struct pollfd watched = {descriptor, POLLIN, 0};
    struct timespec time = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    return ppoll(&watched, 1, &time, 0);
}

/** Whether the other side of a stream has closed it, or it broke. Unread data does not hide that. */
static inline int csys_has_hung_up(int descriptor) {
    enum { readHungUp = 0x2000 }; /* POLLRDHUP, under _GNU_SOURCE only */
    struct pollfd watched = {descriptor, readHungUp, 0};
    return poll(&watched, 1, 0) != 0;
}

/** Puts the calling thread under SCHED_IDLE (sched(7)), which needs no privilege. 0, or -1 with errno. */
static inline int csys_make_thread_idle(void) {
    enum { idlePolicy = 5 }; /* SCHED_IDLE, under _GNU_SOURCE only */
    struct sched_param none = {0};
    return sched_setscheduler(0, idlePolicy, &none);
}

#endif
