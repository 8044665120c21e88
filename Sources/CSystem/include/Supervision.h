#ifndef CSYSTEM_SUPERVISION_H
#define CSYSTEM_SUPERVISION_H

/* Starting and watching processes: signalfd, posix_spawn, prctl; and how a process uses memory: mallopt. */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/** Has the child close every descriptor from `first` on, whatever its flags say. Older C libraries than glibc 2.34
    cannot: there the descriptors' own close-on-exec flags must do. Returns 0 or an errno. */
static inline int csys_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
    /* <spawn.h> shows it only when GNU extensions are asked for. */
    extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
#endif
#endif
    (void)actions;
    (void)first;
    return 0;
}

/** All threads that begin from now on share one heap (mallopt(3), M_ARENA_MAX). */
static inline void csys_share_heap(void) {
    mallopt(M_ARENA_MAX, 1);
}

/** The kernel sends `signal` to the calling process when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG). */
static inline int csys_signal_on_parent_death(int signal) {
    return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0, 0, 0);
}

/** `signal` ignored, or with its default action. */
static inline void csys_ignore_signal(int signal_number) { signal(signal_number, SIG_IGN); }
static inline void csys_default_signal(int signal_number) { signal(signal_number, SIG_DFL); }

/** One signal number from a signalfd; 0 when none waits, -1 with errno otherwise. */
static inline int csys_read_signal(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t got;
    do {
        got = read(descriptor, &info, sizeof info);
    } while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof info) return (int)info.ssi_signo;
    return got < 0 && errno != EAGAIN ? -1 : 0;
}

/** A pipe whose both ends are close-on-exec, and whose read end does not block. Returns 0, or -1 with errno. */
static inline int csys_pipe(int ends[2]) {
    if (pipe(ends) < 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

/** This process's environment: a NULL-terminated list of NAME=value. */
static inline char **csys_environment(void) {
    extern char **environ;
    return environ;
}

#endif
