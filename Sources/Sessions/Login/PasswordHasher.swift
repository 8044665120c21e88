import Crypto
import CryptoExtras
import CSystem
import Foundation
import Glibc

/// Where a worker's logins are dealt with, one after the other, off the event threads.
///
/// Two threads: one for the hashes alone, which works only while nobody else wants the core, so that a flood of logins does not delay
/// anybody; and one of usual priority for all else: a low one that held a database's lock would keep everybody waiting while it is not
/// given a core.
final class PasswordHasher: Sendable {
    private let desk: WorkThread
    private let hashing = WorkThread(name: "hashing", most: 1, yields: true)
    private let turn: HashingLock

    /// - Parameters:
    ///   - folder: the data folder that the workers of this host share.
    ///   - most: callers that may wait; each takes some 12 to 40 ms.
    init(folder: String, most: Int = 128) {
        desk = WorkThread(name: "logins", most: most)
        turn = HashingLock(folder: folder)
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

/// One hash at a time on the whole host: a lock on `hashing.lock` in the data folder, which goes with the process that has it. A yielding
/// thread yields only to its own control group (sched(7), autogroup); so that nginx in another one keeps cores, too, the workers of a
/// host do not hash side by side. Where there is no such file each worker hashes for itself.
final class HashingLock: Sendable {
    private let descriptor: CInt

    init(folder: String) { descriptor = open(folder + "/hashing.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o640) }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Runs the work when nobody else on the host hashes. May wait: for the hashing thread alone.
    func take<Result>(_ work: () -> Result) -> Result {
        guard descriptor >= 0, csys_wait_for_lock(descriptor) == 0 else { return work() }
        defer { _ = csys_lock_byte(descriptor, 0, 0) }
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

enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
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
