/* Tells ThreadSanitizer what Swift's Mutex does where another thread is in the way.

   On Linux the lock is a futex (swift, stdlib/public/Synchronization/Mutex/LinuxImpl.swift). Taking and leaving a free one is inlined into the
   program, which is instrumented. The other way is in libswiftSynchronization.so, which is not: ThreadSanitizer sees neither that the one thread
   waited for the other nor what for, and takes every access under a contended Mutex for a race. Its suppressions go by the functions on the stack;
   there the lock is not, since it is inlined, and whoever suppressed the functions that use one would suppress their real races with them.

   So this stands in front of the library (LD_PRELOAD) and adds the two edges. mutex.swift beside this, shows that it is needed, that it is enough
   and that a race is still seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

/* Of the program's sanitizer; a program without one goes on as before. */
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF void *handle) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF void *handle) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF void *handle) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t thread, SELF void *handle) {
    SWIFT void (*next)(uint32_t, SELF void *) = dlsym(RTLD_NEXT, LOCK);
    next(thread, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT bool try_lock_slow(SELF void *handle) {
    SWIFT bool (*next)(SELF void *) = dlsym(RTLD_NEXT, TRY_LOCK);
    bool is_taken = next(handle);
    if (is_taken && __tsan_acquire) __tsan_acquire(handle);
    return is_taken;
}

SWIFT void unlock_slow(SELF void *handle) {
    SWIFT void (*next)(SELF void *) = dlsym(RTLD_NEXT, UNLOCK);
    if (__tsan_release) __tsan_release(handle);
    next(handle);
}
