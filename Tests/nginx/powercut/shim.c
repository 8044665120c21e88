/* Preloaded into the program: writes down what it does to the files below POWERCUT_FOLDER, so that the folder can be rebuilt as a power cut
   would have left it. Each record goes to POWERCUT_LOG with one write in append mode: a header, the path's bytes, the data's.

   A write is recorded when it has been made, a sync when it begins and when it has ended. So what stands before the beginning of a sync that
   has ended is on the disk; of the rest nobody knows. Memory that is mapped is not seen: what lies there must not have to outlive anything. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct header {
    char kind;
    char padding[7];
    uint64_t nanoseconds, device, inode;
    int64_t offset;
    uint32_t path, data;
};

static int log_descriptor = -1;
static char folder[PATH_MAX];

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("POWERCUT_LOG"), *watched = getenv("POWERCUT_FOLDER");
    if (!log || !watched || !realpath(watched, folder)) return;
    int descriptor = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    /* Out of the way of the numbers that the program uses. */
    if (descriptor >= 0) { log_descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 500); close(descriptor); }
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void note(char kind, const struct stat *status, const char *path, int64_t offset, const void *data, uint32_t length) {
    struct header header = {.kind = kind, .nanoseconds = now(), .offset = offset, .path = (uint32_t)strlen(path), .data = length};
    if (status) { header.device = status->st_dev; header.inode = status->st_ino; }
    struct iovec pieces[] = {{&header, sizeof header}, {(void *)path, header.path}, {(void *)data, length}};
    REAL(writev);
    real(log_descriptor, pieces, 3);
}

/* Whether the path is one of ours: not a page that is mapped, nor SQLite's index of its log. */
static int is_ours(const char *path) {
    size_t length = strlen(folder), end = strlen(path);
    if (log_descriptor < 0 || strncmp(path, folder, length) != 0 || path[length] != '/') return 0;
    return !(end > 4 && strcmp(path + end - 4, "-shm") == 0) && !(end > 7 && strcmp(path + end - 7, ".shared") == 0);
}

static int is_watched(int descriptor, struct stat *status, char *path) {
    char link[64];
    if (log_descriptor < 0 || descriptor == log_descriptor) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    if (strcmp(path, folder) != 0 && !is_ours(path)) return 0;
    return fstat(descriptor, status) == 0;
}

static void opened(int descriptor, int flags) {
    struct stat status;
    char path[PATH_MAX];
    if (descriptor < 0 || !is_watched(descriptor, &status, path)) return;
    if (flags & O_CREAT) note('c', &status, path, 0, "", 0);
    if (flags & O_TRUNC) note('t', &status, path, 0, "", 0);
}

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...) {                          \
        REAL(name);                                                       \
        va_list more;                                                     \
        va_start(more, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                     \
        int descriptor = real(path, flags, mode);                         \
        opened(descriptor, flags);                                        \
        return descriptor;                                                \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                      \
    int name(int folder, const char *path, int flags, ...) {              \
        REAL(name);                                                       \
        va_list more;                                                     \
        va_start(more, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                     \
        int descriptor = real(folder, path, flags, mode);                 \
        opened(descriptor, flags);                                        \
        return descriptor;                                                \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int descriptor, const void *data, size_t length) {
    REAL(write);
    struct stat status;
    char path[PATH_MAX];
    int watched = is_watched(descriptor, &status, path);
    off_t offset = watched ? lseek(descriptor, 0, SEEK_CUR) : 0;
    ssize_t done = real(descriptor, data, length);
    if (watched && done > 0) note('w', &status, path, offset, data, (uint32_t)done);
    return done;
}

#define PWRITE(name, type)                                                       \
    ssize_t name(int descriptor, const void *data, size_t length, type offset) { \
        REAL(name);                                                              \
        ssize_t done = real(descriptor, data, length, offset);                   \
        struct stat status;                                                      \
        char path[PATH_MAX];                                                     \
        if (done > 0 && is_watched(descriptor, &status, path)) note('w', &status, path, offset, data, (uint32_t)done); \
        return done;                                                             \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, type)                                  \
    int name(int descriptor, type length) {                   \
        REAL(name);                                           \
        int result = real(descriptor, length);                \
        struct stat status;                                   \
        char path[PATH_MAX];                                  \
        if (result == 0 && is_watched(descriptor, &status, path)) note('t', &status, path, length, "", 0); \
        return result;                                        \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                        \
    int name(int descriptor) {                                            \
        REAL(name);                                                       \
        struct stat status;                                               \
        char path[PATH_MAX];                                              \
        int watched = is_watched(descriptor, &status, path);              \
        uint64_t number = watched ? now() : 0;                            \
        if (watched) note('b', &status, path, (int64_t)number, "", 0);    \
        int result = real(descriptor);                                    \
        if (watched && result == 0) note('e', &status, path, (int64_t)number, "", 0); \
        return result;                                                    \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    REAL(unlink);
    char whole[PATH_MAX];
    struct stat status;
    int watched = realpath(path, whole) && is_ours(whole) && stat(path, &status) == 0;
    int result = real(path);
    if (watched && result == 0) note('u', &status, whole, 0, "", 0);
    return result;
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char whole[PATH_MAX];
    struct stat status;
    int watched = realpath(from, whole) && is_ours(whole) && stat(from, &status) == 0;
    int result = real(from, to);
    if (watched && result == 0) {
        char target[PATH_MAX];
        if (realpath(to, target)) note('r', &status, whole, 0, target, (uint32_t)strlen(target));
    }
    return result;
}
