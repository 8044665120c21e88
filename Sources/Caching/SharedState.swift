import CSystem
import Glibc
import Platform

/// A few numbers that all workers map (`cache.db.shared`), so that one notices at once, and without a system call, what
/// another did. Nothing in it must outlive the processes: a lost page only costs looks into SQLite.
///
/// - generation: grows when `cache.db` is replaced by another file; connections of an older one are reopened.
/// - copyEpoch: grows when DragonflyDB's copies may have missed a write (see `CopyValidity`).
/// - marks: one counter for every 8192th of `spotify`'s keys, grows with every write: what memory holds under another
///   count is not served.
/// - commits, synced: how many commits there were, and how many of them are on the disk (see `LogSync`).
/// - checked: which file its users have found sound (see `CacheDatabase`).
/// - tallies: hits and misses of all workers, for the dashboard.
///
/// `@unchecked Sendable`: what `start` points at is touched with atomic operations only.
final class SharedState: @unchecked Sendable {
    private let memory: SharedMemory
    /// Where `memory` begins, and lives as long. Every hit looks here, so it is not asked through another room.
    private let start: UnsafeMutableRawPointer
    /// One writer, opener or checkpoint of the database at a time.
    let gate: WriteGate
    /// Held for life by the process that purges and checkpoints; nil where there is no file to lock (a folder that cannot be written).
    let maintenance: FileLock?
    /// Held while the log is brought to the disk.
    let syncing: FileLock?
    /// Held, beside the others, by every process that has the database open.
    private let users: FileLock?

    private static let length = 40960
    private static let layout: UInt64 = 0x5347_4143_4845_0001
    private static let invalidationCounters: UInt64 = 8192
    private enum Offset {
        static let seed = 8, generation = 16, copyEpoch = 24, readOnly = 32, commits = 40, synced = 48, logDoubt = 56, owner = 64,
            checked = 72,
            counters = 1024,
            invalidations = 4096
    }
    private enum LockByte {
        static let gate: Int64 = 0, maintenance: Int64 = 1, making: Int64 = 2, syncing: Int64 = 3, users: Int64 = 4
    }

    /// - Parameter bootID: of the host; nil for who does not share a store with others.
    /// - Throws: when another process began to make the file and does not come to its end.
    init(path: String, bootID: String? = nil) throws(CacheError) {
        memory = try Self.memory(path)
        start = memory.address(0, Self.length)
        gate = WriteGate(lock: memory.file?.lock(LockByte.gate))
        maintenance = memory.file?.lock(LockByte.maintenance)
        syncing = memory.file?.lock(LockByte.syncing)
        users = memory.file?.lock(LockByte.users)
        if let bootID, let identity = FileIdentity(path: path) { belong(to: "\(bootID) \(identity.device) \(identity.inode)") }
    }

    /// A folder that was copied, with its host or without, has the numbers of the other one's `cache.db` and of its page. Where both use one store,
    /// each would take the other's copies for its own: the copy epoch begins at random where the page was never this file's in this boot.
    private func belong(to owner: String) {
        let mark = KeyHash.hash(Array(owner.utf8), seed: seed)
        guard csys_load64(start + Offset.owner) != mark else { return }
        csys_store64(start + Offset.copyEpoch, .random(in: 1...1 << 62))
        csys_store64(start + Offset.owner, mark)
    }

    /// Memory of one's own is for where no file can be had. While a file is being made it would hide what the other workers write, so this
    /// waits, and gives up rather than doing without them.
    ///
    /// Copy epoch and generation begin at random, so that a page that was lost and made again repeats neither.
    private static func memory(_ path: String) throws(CacheError) -> SharedMemory {
        for _ in 0..<10 {
            let memory = SharedMemory(path: path, length: length, layout: layout, permissions: 0o660, lockByte: LockByte.making) { memory in
                memory.store64(.random(in: .min ... .max), at: Offset.seed)
                memory.store64(.random(in: 1...1 << 62), at: Offset.generation)
                memory.store64(.random(in: 1...1 << 62), at: Offset.copyEpoch)
            }
            if !memory.isBeingMade { return memory }
        }
        throw .cannotRead("another process is making cache.db.shared")
    }

    /// Makes the page anew where it was cut, replaced or removed. Whether it did; every copy and what memory holds is doubtful then, since the
    /// page begins at random.
    func mend() -> Bool { memory.mend() }

    /// Whether other processes see it. When not, a worker may not conclude anything from what it does not see here.
    var isShared: Bool { memory.isShared }

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

    /// Counts this process among the users. Whether another one is; under the gate, and not to be asked while this one reads or writes.
    ///
    /// Said again after `mend`, which takes the lock away; until then this process is none, which costs a check too many.
    func joinUsers() -> Bool {
        defer { keepAmongUsers() }
        return users.map { !$0.tryLock() } ?? false
    }
    func keepAmongUsers() { _ = users?.tryShared() }

    /// Whether the users have found this file sound, under the generation of now.
    func isChecked(_ file: FileIdentity) -> Bool { csys_load64(start + Offset.checked) == mark(of: file) }
    func noteChecked(_ file: FileIdentity) { csys_store64(start + Offset.checked, mark(of: file)) }
    private func mark(of file: FileIdentity) -> UInt64 {
        KeyHash.hash(Array("\(generation) \(file.device) \(file.inode)".utf8), seed: seed)
    }

    /// Commits of all workers that were counted; each is counted after it was made.
    var commits: UInt64 { csys_load64(start + Offset.commits) }
    func countCommit() { _ = csys_add64(start + Offset.commits, 1) }
    /// The first so many of them would outlive a power cut. May say less than is so.
    var synced: UInt64 {
        get { csys_load64(start + Offset.synced) }
        set { csys_store64(start + Offset.synced, newValue) }
    }
    /// A sync of the log has failed: what it should have written may be lost, whatever the next one says.
    var isLogDoubtful: Bool {
        get { csys_load64(start + Offset.logDoubt) != 0 }
        set { csys_store64(start + Offset.logDoubt, newValue ? 1 : 0) }
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

/// One writer, opener or checkpoint at a time, over all processes: threads of this one queue on a mutex, processes on
/// the file lock. SQLite's own write lock lies inside, and is then free but for programs that do not know this gate.
final class WriteGate: @unchecked Sendable {
    // The mutex is made once and never moved; it guards whom of this process holds `lock`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// nil: there is nobody to exclude, as nothing is written in a folder that cannot be.
    private let lock: FileLock?

    init(lock: FileLock?) {
        self.lock = lock
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Waits at most so long. Not reentrant. The caller lets go with `close()`.
    func open(within limit: Duration) -> Bool {
        let deadline = SystemClock().monotonic + limit
        guard csys_mutex_lock_within(mutex, UInt64(max(0, limit.wholeNanoseconds))) == 0 else { return false }
        guard let lock, !lock.lock(within: deadline - SystemClock().monotonic) else { return true }
        pthread_mutex_unlock(mutex)
        return false
    }

    func close() {
        lock?.unlock()
        pthread_mutex_unlock(mutex)
    }
}
