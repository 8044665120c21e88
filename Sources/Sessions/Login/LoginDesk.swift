import Foundation

/// Where a worker's logins are dealt with, one after the other, off the event threads.
///
/// Two threads: one of low priority for the hashes alone, so that a flood of logins does not delay anybody, and one of usual priority
/// for all else. A low one that held a database's lock would keep everybody waiting while it is not given a core.
final class LoginDesk: Sendable {
    private let desk: WorkThread
    private let hashing = WorkThread(name: "hashing", most: 1, niceness: 15)

    /// - Parameter most: callers that may wait; each takes some 12 to 40 ms.
    init(most: Int = 128) { desk = WorkThread(name: "logins", most: most) }

    /// False where too many wait already.
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool { desk.submit(work) }

    /// Computes a hash on the thread of low priority and waits for it. Only from within `submit`'s work.
    func hash(password: String, salt: String) -> String? {
        let result = Locked<String?>(nil)  // guards the hash on its way from one thread to the other
        let done = DispatchSemaphore(value: 0)
        let isTaken = hashing.submit {
            let hash = PasswordHash.make(password: password, salt: salt)
            result.withLock { $0 = hash }
            done.signal()
        }
        // Closing the desk drops what waits: then nobody waits for the answer either, and the thread may end.
        while isTaken, done.wait(timeout: .now() + .seconds(1)) == .timedOut, !isClosed.withLock({ $0 }) {}
        return result.withLock { $0 }
    }

    func close() {
        isClosed.withLock { $0 = true }
        desk.close()
        hashing.close()
    }

    private let isClosed = Locked(false)  // guards whether the desk is closed
}
