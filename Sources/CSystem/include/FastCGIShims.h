#ifndef CSYSTEM_FASTCGI_SHIMS_H
#define CSYSTEM_FASTCGI_SHIMS_H

/* For the room FastCGI: epoll's packed struct and macros, accept4 (GNU only), and the walk over libfcgi's parameter array. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const int csys_stream_socket = SOCK_STREAM | SOCK_CLOEXEC;
static const int csys_nonblocking_socket = SOCK_NONBLOCK;

static const uint32_t csys_epoll_readable = EPOLLIN;
static const uint32_t csys_epoll_writable = EPOLLOUT;
static const uint32_t csys_epoll_peer_closed = EPOLLRDHUP;
static const uint32_t csys_epoll_once = EPOLLONESHOT;
static const uint32_t csys_epoll_edge = EPOLLET;
static const uint32_t csys_epoll_exclusive = EPOLLEXCLUSIVE;

/** epoll_ctl with the event spelled out. 0, or errno. */
static inline int csys_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(epoll, operation, descriptor, &event) == 0 ? 0 : errno;
}

/** Waits without a timeout and writes the token of one ready descriptor. 1, 0 when interrupted, or -errno. */
static inline int csys_epoll_next(int epoll, uint64_t *token) {
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, -1);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    *token = event.data.u64;
    return count;
}

/** accept4 with SOCK_CLOEXEC: the descriptor blocks, as libfcgi expects. -errno on failure. */
extern int accept4(int, struct sockaddr *, socklen_t *, int);
static inline int csys_accept(int listener) {
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

/** 1 when the other side has closed its sending end (poll(2), POLLRDHUP). */
static inline int csys_peer_closed(int descriptor) {
    struct pollfd entry = {descriptor, 0x2000 /* POLLRDHUP, shown with _GNU_SOURCE only */, 0};
    return poll(&entry, 1, 0) > 0;
}

/** 1 when a write would not block. */
static inline int csys_is_writable(int descriptor) {
    struct pollfd entry = {descriptor, POLLOUT, 0};
    return poll(&entry, 1, 0) > 0;
}

/** The value of the next parameter called name at or after *position, which moves past it; NULL when there is none. */
static inline const char *csys_parameter(char ***position, const char *name, size_t length) {
    for (char **p = *position; *p != NULL; p++) {
        if ((*p)[0] == name[0] && strncmp(*p, name, length) == 0 && (*p)[length] == '=') {
            *position = p + 1;
            return *p + length + 1;
        }
    }
    return NULL;
}

/** A condition variable whose timed wait follows CLOCK_MONOTONIC. */
static inline int csys_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error != 0) return error;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

/** Blocks every signal in the calling thread: they are for the thread that waits for them. */
static inline void csys_block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/** The calling thread's name, up to 15 bytes (PR_SET_NAME, prctl(2)). */
static inline void csys_name_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

#endif
