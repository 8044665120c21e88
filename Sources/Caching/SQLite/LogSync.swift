import Glibc
import Platform
import Synchronization

/// Brings what was committed to `cache.db` to the disk, one sync of its log for all who wait, in all workers.
///
/// Under `synchronous = NORMAL` a commit is in the page cache of the system: it outlives the process and not a power cut
/// (sqlite.org/pragma.html#pragma_synchronous). Whoever promised more waits here, after its transaction and outside the gate, so that a slow
/// disk keeps no other writer waiting. Commits are counted in the shared state. A sync covers all that were counted before it began, and
/// what a checkpoint has carried over by then is on the disk already, as a checkpoint syncs the database before it begins the log anew.
final class LogSync: Sendable {
    typealias Done = @Sendable (SystemError?) -> Void

    private struct Waiter {
        let commits: UInt64
        let done: Done
    }

    private let shared: SharedState
    private let synchronize: @Sendable () throws(SystemError) -> Void
    private let checkpoint: @Sendable () -> Bool
    private let waiting = Mutex<[Waiter]>([])
    /// One sync at a time in this process.
    private let turn = Mutex(())
    /// One piece of work is for all that wait by then, so one that waits is enough.
    private let queue = SerialQueue(named: "sync", capacity: 1, stackSize: 256 << 10)

    /// For so long a sync of another process is waited for; a process that is frozen in one must not keep the others.
    private static let patience = Duration.seconds(1)

    /// - Parameters:
    ///   - synchronize: brings the log to the disk.
    ///   - checkpoint: carries the log over into the database and syncs that. Whether it did.
    init(
        _ shared: SharedState, synchronize: @escaping @Sendable () throws(SystemError) -> Void, checkpoint: @escaping @Sendable () -> Bool
    ) {
        self.shared = shared
        self.synchronize = synchronize
        self.checkpoint = checkpoint
    }

    /// The log of the database at `path`. One that is not there was carried over when the last connection to it was closed.
    static func log(of path: String) throws(SystemError) {
        let descriptor = open(path + "-wal", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw SystemError("open")
        }
        defer { close(descriptor) }
        guard fdatasync(descriptor) == 0 else { throw SystemError("fdatasync") }
    }

    /// - Parameter done: called once, by a thread that may block, when all that is committed by now would outlive a power cut, or with why it
    ///   may not.
    func whenDone(_ done: @escaping Done) {
        let waiter = Waiter(commits: shared.commits, done: done)
        let isFirst = waiting.withLock { waiting in
            waiting.append(waiter)
            return waiting.count == 1
        }
        guard isFirst else { return }
        // After `stop()`, or where there is no thread to be had, whoever comes does it.
        if !queue.submit({ [self] in work() }) { work() }
    }

    /// The same, waited for.
    func finish() throws(SystemError) {
        let outcome = Monitor<Result<Void, SystemError>?>(nil)
        whenDone { fault in outcome.update { $0 = fault.map { .failure($0) } ?? .success(()) } }
        try outcome.wait { $0.map { .take($0) } ?? .sleep(until: .never) }.get()
    }

    /// Brings to the disk what nobody waits for. About once a second: what is not promised is lost for so long at most.
    func finishOlder() throws(SystemError) { try upTo(shared.commits) }

    /// Ends the thread; who waits is served first.
    func stop() {
        queue.drain(within: .seconds(2))
        queue.stop(within: .zero)
    }

    private func work() {
        let served = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        guard let last = served.map(\.commits).max() else { return }
        var fault: SystemError?
        do throws(SystemError) { try upTo(last) } catch { fault = error }
        for waiter in served { waiter.done(fault) }
    }

    private func upTo(_ wanted: UInt64) throws(SystemError) {
        let result = turn.withLock { _ in
            Result { () throws(SystemError) in if shared.synced < wanted { try syncNow(wanted) } }
        }
        try result.get()
    }

    private func syncNow(_ wanted: UInt64) throws(SystemError) {
        let isAlone = shared.syncing?.lock(within: Self.patience) ?? false
        defer { if isAlone { shared.syncing?.unlock() } }
        // Another process's sync may have been for this one, too.
        guard shared.synced < wanted else { return }
        let covered = shared.commits
        if shared.isLogDoubtful {
            // The kernel forgets what it could not write, and says so once: the next sync of the same file says nothing (fsync(2)).
            guard checkpoint() else { throw SystemError("sync", code: EIO) }
            shared.isLogDoubtful = false
        } else {
            do throws(SystemError) {
                try synchronize()
            } catch {
                shared.isLogDoubtful = true
                throw error
            }
        }
        // Where somebody was faster this says less than is so, which costs one more sync.
        shared.synced = covered
    }
}
