import Foundation
import Glibc
import Logging

/// One plain thread of low priority on which a worker's password hashes are computed, one after the other, with a bounded queue.
///
/// `@unchecked`: `waiting`, `isClosed` and `thread` are only touched while `condition` is locked.
final class LoginDesk: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    private var isClosed = false
    private var thread: Thread?
    private let most: Int

    /// - Parameter most: callers that may wait; each takes some 12 to 40 ms.
    init(most: Int = 128) { self.most = most }

    /// False where too many wait already, or the desk is closed.
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed, waiting.count < most else { return false }
        waiting.append(work)
        if thread == nil {
            let thread = Thread { [weak self] in self?.run() }
            thread.name = "login"
            self.thread = thread
            thread.start()
        }
        condition.signal()
        return true
    }

    /// What waits is not begun any more.
    func close() {
        condition.lock()
        isClosed = true
        waiting = []
        condition.broadcast()
        condition.unlock()
    }

    private func run() {
        // On Linux the priority of `0` is that of the calling thread alone (setpriority(2), "C library/kernel differences").
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 15)
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty, !isClosed { condition.wait() }
        return isClosed ? nil : waiting.removeFirst()
    }
}
