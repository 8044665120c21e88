/* Preloaded: a disk that takes SLOW_SYNC_MS milliseconds longer for each fsync(2) and fdatasync(2). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_disk(void) {
    const char *text = getenv("SLOW_SYNC_MS");
    long length = text ? atol(text) : 0;
    struct timespec time = {length / 1000, length % 1000 * 1000000};
    nanosleep(&time, 0);
}

int fsync(int descriptor) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_for_the_disk();
    return real(descriptor);
}

int fdatasync(int descriptor) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_disk();
    return real(descriptor);
}
