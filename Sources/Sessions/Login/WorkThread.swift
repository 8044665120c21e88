import CSystem
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
    private let yields: Bool

    /// - Parameters:
    ///   - most: pieces of work that may wait.
    ///   - yields: works only while nobody else on the host wants the core.
    init(name: String, most: Int, yields: Bool = false) {
        self.name = name
        self.most = most
        self.yields = yields
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
        // A merely nice thread keeps the core until its slice ends; an idle one leaves it at once to whoever wakes (sched(7)). Where
        // the policy is refused, nice must do: on Linux the priority of `0` is that of the calling thread alone (setpriority(2)).
        if yields, csys_make_thread_idle() != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19) }
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty, !isClosed { condition.wait() }
        return isClosed ? nil : waiting.removeFirst()
    }
}
