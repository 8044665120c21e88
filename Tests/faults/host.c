/* Preloaded into the program: a host whose name service and boot a test decides. HOST_FILE holds two numbers of 64 bits: what is wrong with
   the name spotify.test (0 nothing, 1 there is no such name, 2 no answer for seconds), and which boot this is (0 the real one). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int64_t *state;

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HOST_FILE");
    REAL(open);
    int file = path ? real(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, 2 * sizeof *state, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) state = page;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict found) {
    REAL(getaddrinfo);
    if (!node || strcmp(node, "spotify.test") != 0) return real(node, service, hints, found);
    if (state && state[0] == 1) return EAI_NONAME;
    if (state && state[0] == 2) {
        for (int tenths = 0; tenths < 60 && state[0] == 2; tenths++) usleep(100000);
        return EAI_AGAIN;
    }
    return real("127.0.0.1", service, hints, found);
}

static int boot_id(void) {
    char text[64];
    snprintf(text, sizeof text, "00000000-0000-0000-0000-%012lld\n", (long long)state[1]);
    int file = memfd_create("boot_id", MFD_CLOEXEC);
    if (file >= 0 && (write(file, text, strlen(text)) < 0 || lseek(file, 0, SEEK_SET) != 0)) return -1;
    return file;
}

#define OPEN(name)                                                                               \
    int name(const char *path, int flags, ...) {                                                 \
        REAL(name);                                                                              \
        va_list more;                                                                            \
        va_start(more, flags);                                                                   \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                  \
        va_end(more);                                                                            \
        if (state && state[1] && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) return boot_id(); \
        return real(path, flags, mode);                                                          \
    }
OPEN(open)
OPEN(open64)
