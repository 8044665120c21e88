import Foundation
import Glibc

/// One plain thread that takes its work from a bounded queue.
///
/// `@unchecked`: `waiting`, `isClosed` and `thread` are only touched while `condition` is locked.
final class WorkThread: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    private var isClosed = false
    private var thread: Thread?
    private let name: String
    private let most: Int
    private let niceness: CInt

    /// - Parameters:
    ///   - most: pieces of work that may wait.
    ///   - niceness: 0 (as others) to 19 (only when nobody else wants the core).
    init(name: String, most: Int, niceness: CInt = 0) {
        self.name = name
        self.most = most
        self.niceness = niceness
    }

    /// False where too much waits already, or the thread is closed. The thread starts with the first piece.
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed, waiting.count < most else { return false }
        waiting.append(work)
        if thread == nil {
            let thread = Thread { [weak self] in self?.run() }
            thread.name = name
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
        if niceness > 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness) }
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty, !isClosed { condition.wait() }
        return isClosed ? nil : waiting.removeFirst()
    }
}
