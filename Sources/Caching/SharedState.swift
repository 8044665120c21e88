import CSystem
import Glibc

/// A few numbers that all workers map (`cache.db.shared`), so that one notices at once, and without a system call, what
/// another did. Nothing in it must outlive the processes: a lost page only costs looks into SQLite.
///
/// - generation: grows when `cache.db` is replaced by another file; connections of an older one are reopened.
/// - copyEpoch: grows when DragonflyDB's copies may have missed a write (see `CopyValidity`).
/// - marks: one counter for every 8192th of `spotify`'s keys, grows with every write: what memory holds under another
///   count is not served.
/// - tallies: hits and misses of all workers, for the dashboard.
final class SharedState: @unchecked Sendable {
    // The mapping lives as long as this object and is touched with atomic operations only.
    private let start: UnsafeMutableRawPointer
    private let descriptor: CInt
    /// Whether other processes see it. When not, a worker may not conclude anything from what it does not see here.
    let isShared: Bool
    /// One writer, opener or checkpoint of the database at a time.
    let gate: WriteGate
    /// Held for life by the process that purges and checkpoints.
    let maintenance: FileLock

    private static let length = 40960
    private static let magic: UInt64 = 0x5347_4143_4845_0001
    private static let invalidationCounters: UInt64 = 8192
    private enum Offset {
        static let magic = 0, seed = 8, generation = 16, copyEpoch = 24, readOnly = 32, counters = 1024, invalidations = 4096
    }

    init(path: String) {
        let opened = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o660)
        let mapped = opened >= 0 ? Self.map(opened) : nil
        descriptor = opened
        isShared = mapped != nil
        start = mapped ?? Self.privatePage()
        gate = WriteGate(lock: FileLock(descriptor: opened, byte: 0))
        maintenance = FileLock(descriptor: opened, byte: 1)
    }

    deinit {
        if isShared { munmap(start, Self.length) } else { start.deallocate() }
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Whether this process may hold locks on the file at all (a read-only folder has none).
    var hasLocks: Bool { descriptor >= 0 }

    private static func map(_ descriptor: CInt) -> UnsafeMutableRawPointer? {
        let making = FileLock(descriptor: descriptor, byte: 2)
        for _ in 0..<1000 where !making.tryLock() { usleep(1000) }
        defer { making.unlock() }
        // Blocks are set aside first: a hole in a mapping on a full disk ends the process with SIGBUS.
        guard posix_fallocate(descriptor, 0, off_t(length)) == 0 else { return nil }
        guard let start = csys_map_shared(descriptor, UInt64(length)) else { return nil }
        if csys_load64(start) != magic { fill(start) }
        return start
    }

    private static func privatePage() -> UnsafeMutableRawPointer {
        let start = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
        memset(start, 0, length)
        fill(start)
        return start
    }

    /// Copy epoch and generation begin at random, so that a page that was lost and made again repeats neither.
    private static func fill(_ start: UnsafeMutableRawPointer) {
        csys_store64(start + Offset.seed, .random(in: .min ... .max))
        csys_store64(start + Offset.generation, .random(in: 1...1 << 62))
        csys_store64(start + Offset.copyEpoch, .random(in: 1...1 << 62))
        csys_store64(start + Offset.magic, magic)
    }

    var seed: UInt64 { csys_load64(start + Offset.seed) }
    var generation: UInt64 { csys_load64(start + Offset.generation) }
    func raiseGeneration() { _ = csys_add64(start + Offset.generation, 1) }
    var copyEpoch: UInt64 { csys_load64(start + Offset.copyEpoch) }
    func raiseCopyEpoch() { _ = csys_add64(start + Offset.copyEpoch, 1) }

    /// Whether a worker had to open the file for reading only since this was asked last. Noted and asked under the gate.
    func noteReadOnly() { csys_store64(start + Offset.readOnly, 1) }
    func takeReadOnly() -> Bool {
        defer { csys_store64(start + Offset.readOnly, 0) }
        return csys_load64(start + Offset.readOnly) != 0
    }

    func invalidations(_ hash: UInt64) -> UInt32 { csys_load32(invalidationAddress(hash)) }
    func countInvalidation(_ hash: UInt64) { _ = csys_add32(invalidationAddress(hash), 1) }
    func invalidateAll() { for hash in 0..<Self.invalidationCounters { countInvalidation(hash) } }
    private func invalidationAddress(_ hash: UInt64) -> UnsafeMutableRawPointer {
        start + Offset.invalidations + Int(hash % Self.invalidationCounters) * 4
    }

    /// Adds to the tally of all workers and answers the sum.
    @discardableResult
    func addToCounter(_ index: Int, adding count: UInt64) -> UInt64 { csys_add64(start + Offset.counters + index * 8, count) }
}

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
