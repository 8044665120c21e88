#ifndef CSYSTEM_FASTCGI_SHIMS_H
#define CSYSTEM_FASTCGI_SHIMS_H

/* For the room FastCGI: epoll's packed struct and macros, accept4 (GNU only), sendmsg, and the walk over name-value pairs. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

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

/** Waits without a timeout and writes the tokens of at most 16 ready descriptors. How many, 0 when interrupted, or -errno. */
static inline int csys_epoll_wait(int epoll, uint64_t *tokens, int most) {
    struct epoll_event events[16];
    int count = epoll_wait(epoll, events, most < 16 ? most : 16, -1);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
    return count;
}

/** accept4 with SOCK_CLOEXEC. -errno on failure. */
extern int accept4(int, struct sockaddr *, socklen_t *, int);
static inline int csys_accept(int listener) {
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

/** Sends three pieces in one write, without waiting and without SIGPIPE. How many bytes the socket took, or -errno. */
static inline ssize_t csys_send_pieces(
    int descriptor, const void *first, size_t first_length, const void *second, size_t second_length, const void *third, size_t third_length) {
    struct iovec pieces[3] = {{(void *)first, first_length}, {(void *)second, second_length}, {(void *)third, third_length}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
    ssize_t count = sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return count >= 0 ? count : -errno;
}

/** A length of one or four bytes at *position, which moves past it (FastCGI Specification 1.0, section 3.4). */
static inline size_t csys_pair_length(const uint8_t *pairs, size_t count, size_t *position) {
    size_t at = *position, length = at < count ? pairs[at] : 0;
    *position = at + 1;
    if (length < 0x80 || count - at < 4) return length & 0x7f;
    *position = at + 4;
    return (length & 0x7f) << 24 | (size_t)pairs[at + 1] << 16 | (size_t)pairs[at + 2] << 8 | pairs[at + 3];
}

/** The value of the next pair called name at or after *position, which moves past it; NULL when there is none.
 *  The pairs have been found right; were they not, it would still stay within them. */
static inline const uint8_t *csys_parameter(
    const uint8_t *pairs, size_t count, size_t *position, const char *name, size_t length, size_t *value_length) {
    while (*position < count) {
        size_t name_length = csys_pair_length(pairs, count, position);
        *value_length = csys_pair_length(pairs, count, position);
        if (*position > count || name_length > count - *position || *value_length > count - *position - name_length) return NULL;
        const uint8_t *found = pairs + *position;
        *position += name_length + *value_length;
        if (name_length == length && memcmp(found, name, length) == 0) return found + length;
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

/** The calling thread's name, up to 15 bytes (PR_SET_NAME, prctl(2)). */
static inline void csys_name_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

#endif
