import Crypto
import CryptoExtras
import Platform

/// Where a worker's logins are dealt with, one after the other, off the event threads.
///
/// Two threads: one for the hashes alone, which works only while nobody else wants the core, so that a flood of logins does not delay
/// anybody; and one of usual priority for all else: a low one that held a database's lock would keep everybody waiting while it is not
/// given a core.
final class PasswordHasher: Sendable {
    private let logins: SerialQueue
    private let hashing = SerialQueue(named: "hashing", capacity: 1, priority: .idle)
    private let turn: HashingLock
    private let isClosed = Locked(false)  // guards whether the queues are closed

    /// - Parameters:
    ///   - folder: the data folder that the workers of this host share.
    ///   - most: callers that may wait; each takes some 12 to 40 ms.
    init(folder: String, most: Int = 128) {
        logins = SerialQueue(named: "logins", capacity: most)
        turn = HashingLock(folder: folder)
    }

    /// False where too many wait already.
    func submit(_ work: @escaping @Sendable (borrowing BlockingContext) -> Void) -> Bool { logins.submit(mayBlock: work) }

    /// How long the yielding thread may take for one hash. On a host whose cores are all busy it would be given none, and whoever floods
    /// it with anything would keep everybody from signing in: after this time the hash is computed at usual priority, which is at most
    /// a hash in this time and worker.
    private static let patience = Duration.milliseconds(500)

    /// A hash on its way from one thread to the other.
    private enum Hash: Sendable {
        case wanted
        /// Nobody waits for it any more.
        case abandoned
        /// nil where the library refused.
        case made(String?)

        var isWanted: Bool { if case .wanted = self { true } else { false } }
        var made: String?? { if case .made(let text) = self { .some(text) } else { nil } }
    }

    /// Computes a hash and waits for it. Only from within `submit`'s work.
    func hash(password: String, salt: String) -> String? {
        let hash = Monitor(Hash.wanted)
        let isTaken = hashing.submit { [turn] in
            turn.take {
                guard hash.withLock({ $0.isWanted }) else { return }
                let text = PasswordHash.make(password: password, salt: salt)
                hash.update { $0 = .made(text) }
            }
        }
        if isTaken, let made = hash.wait(within: Self.patience, { $0.made }) { return made }
        hash.withLock { $0 = .abandoned }
        // Closing drops what waits: then nobody waits for the answer either.
        return isClosed.withLock { $0 } ? nil : PasswordHash.make(password: password, salt: salt)
    }

    /// What waits is not begun any more.
    func close() {
        isClosed.withLock { $0 = true }
        logins.stop(within: .zero)
        hashing.stop(within: .zero)
    }
}

/// One hash at a time on the whole host: a lock on `hashing.lock` in the data folder, which goes with the process that has it. A yielding
/// thread yields only to its own control group (sched(7), autogroup); so that nginx in another one keeps cores, too, the workers of a
/// host do not hash side by side. Where there is no such file each worker hashes for itself.
struct HashingLock: Sendable {
    private let lock: FileLock?

    init(folder: String) { lock = (try? LockFile(path: folder + "/hashing.lock"))?.lock(0) }

    /// Runs the work when nobody else on the host hashes. May wait: for the hashing thread alone.
    func take<Result>(_ work: () -> Result) -> Result {
        guard let lock, lock.lock() else { return work() }
        defer { lock.unlock() }
        return work()
    }
}

/// swingmusic's password hashes: PBKDF2-HMAC-SHA256, 100,000 rounds, 32 bytes, lower-case hex (RFC 8018, section 5.2).
enum PasswordHash {
    static let rounds = 100_000

    /// Takes some 12 to 40 ms of a core. nil where the library refuses.
    static func make(password: String, salt: String) -> String? {
        let key = try? KDF.Insecure.PBKDF2.deriveKey(
            from: Array(password.utf8), salt: Array(salt.utf8), using: .sha256, outputByteCount: 32, unsafeUncheckedRounds: rounds)
        return key?.withUnsafeBytes { Hexadecimal.text($0) }
    }

    /// Byte for byte, in a time that does not depend on where they differ. Upper-case hex does not match.
    static func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// Whether a password is a user's, as swingmusic decides it: the legacy salt first, then the present one.
enum PasswordCheck: Equatable {
    case wrong
    case right
    /// Right under the legacy salt: the row should hold this hash from now on.
    case outdated(newHash: String)

    static func decide(
        password: String, stored: String, salt: String, legacySalt: String?, hash: (_ password: String, _ salt: String) -> String?
    ) -> PasswordCheck {
        if let legacySalt, let legacy = hash(password, legacySalt), PasswordHash.isSame(legacy, stored) {
            guard let new = hash(password, salt) else { return .right }
            return PasswordHash.isSame(new, stored) ? .right : .outdated(newHash: new)
        }
        guard let present = hash(password, salt) else { return .wrong }
        return PasswordHash.isSame(present, stored) ? .right : .wrong
    }
}
