import CSystem
import Glibc

/// A lock on one byte of a file beside the database (an open file description lock, fcntl(2)): it excludes every other
/// opening of the file, in this process or another, and goes with the process that dies.
///
/// Never on the database itself: closing a second descriptor of that would drop SQLite's own locks
/// (sqlite.org/howtocorrupt.html, 2.2).
final class FileLock: Sendable {
    private let descriptor: CInt
    private let byte: Int64

    /// The descriptor must outlive the lock.
    init(descriptor: CInt, byte: Int64) {
        self.descriptor = descriptor
        self.byte = byte
    }

    /// Without a file (a folder that cannot be written) there is nobody to exclude: nothing is written there.
    func tryLock() -> Bool { descriptor < 0 || csys_lock_byte(descriptor, byte, 1) == 0 }
    func unlock() { _ = csys_lock_byte(descriptor, byte, 0) }
}

/// One writer, opener or checkpoint at a time, over all processes: threads of this one queue on a mutex, processes on
/// the file lock. SQLite's own write lock lies inside, and is then free but for programs that do not know this gate.
final class WriteGate: @unchecked Sendable {
    // The mutex is made once and never moved; it guards whom of this process holds `lock`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let lock: FileLock

    init(lock: FileLock) {
        self.lock = lock
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Waits at most `nanoseconds`. Not reentrant. The caller lets go with `close()`.
    func open(within nanoseconds: UInt64) -> Bool {
        let deadline = csys_monotonic_ns() &+ nanoseconds
        guard csys_mutex_lock_within(mutex, nanoseconds) == 0 else { return false }
        var pause: UInt32 = 20
        while !lock.tryLock() {
            guard csys_monotonic_ns() < deadline else {
                pthread_mutex_unlock(mutex)
                return false
            }
            usleep(pause)
            pause = min(pause * 2, 1000)
        }
        return true
    }

    func close() {
        lock.unlock()
        pthread_mutex_unlock(mutex)
    }
}
