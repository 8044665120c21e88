import Foundation

/// Where a worker's logins are dealt with, one after the other, off the event threads.
///
/// Two threads: one for the hashes alone, which works only while nobody else wants the core, so that a flood of logins does not delay
/// anybody; and one of usual priority for all else: a low one that held a database's lock would keep everybody waiting while it is not
/// given a core.
final class LoginDesk: Sendable {
    private let desk: WorkThread
    private let hashing = WorkThread(name: "hashing", most: 1, yields: true)
    private let turn: HashingTurn

    /// - Parameters:
    ///   - folder: the data folder that the workers of this host share.
    ///   - most: callers that may wait; each takes some 12 to 40 ms.
    init(folder: String, most: Int = 128) {
        desk = WorkThread(name: "logins", most: most)
        turn = HashingTurn(folder: folder)
    }

    /// False where too many wait already.
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool { desk.submit(work) }

    /// How long the yielding thread may take for one hash. On a host whose cores are all busy it would be given none, and whoever floods
    /// it with anything would keep everybody from signing in: after this time the hash is computed at usual priority, which is at most
    /// a hash in this time and worker.
    private static let patience = DispatchTimeInterval.milliseconds(500)

    /// Computes a hash and waits for it. Only from within `submit`'s work.
    func hash(password: String, salt: String) -> String? {
        let hash = Hash()
        let done = DispatchSemaphore(value: 0)
        let isTaken = hashing.submit { [turn] in
            turn.take {
                guard hash.isWanted else { return }
                hash.text = PasswordHash.make(password: password, salt: salt)
                done.signal()
            }
        }
        if isTaken, done.wait(timeout: .now() + Self.patience) == .success { return hash.text }
        hash.isWanted = false
        // Closing the desk drops what waits: then nobody waits for the answer either.
        return isClosed.withLock { $0 } ? nil : PasswordHash.make(password: password, salt: salt)
    }

    /// A hash on its way from one thread to the other.
    private final class Hash: Sendable {
        private let state = Locked<(isWanted: Bool, text: String?)>((true, nil))  // guards the hash and whether anybody waits for it

        var isWanted: Bool {
            get { state.withLock { $0.isWanted } }
            set { state.withLock { $0.isWanted = newValue } }
        }

        var text: String? {
            get { state.withLock { $0.text } }
            set { state.withLock { $0.text = newValue } }
        }
    }

    func close() {
        isClosed.withLock { $0 = true }
        desk.close()
        hashing.close()
    }

    private let isClosed = Locked(false)  // guards whether the desk is closed
}
