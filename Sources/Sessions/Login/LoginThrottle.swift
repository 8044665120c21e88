import Logging
import Platform

/// Ten wrong guesses a minute from one address, over all workers. Times are those of the boot clock, which nobody sets.
///
/// The count of an address takes in those of each name tried from it, so that one list serves both; nobody can lock another out by
/// name alone.
final class LoginThrottle: Sendable {
    /// What is guessed. Each is counted for itself.
    enum Secret: String, CaseIterable { case login, pair, key }

    enum Admission: Equatable {
        case admitted(Attempt)
        case refused(retryAfter: Int)
    }

    struct Attempt: Equatable, Sendable {
        fileprivate var key: String
        fileprivate var instant: Int64
    }

    private let shared: any CountStore
    private let own = MemoryCountStore()
    private let clock: any HostClock
    private let trouble: LogOnce

    init(store: any CountStore, clock: any HostClock, log: Logger) {
        shared = store
        self.clock = clock
        trouble = LogOnce(log, repeatedEvery: .seconds(60))
    }

    /// Whether another try is refused at this moment, without counting one.
    func wait(_ secret: Secret, address: String) -> Int? {
        let stored = (try? shared.read(key(secret, address))) ?? own.read(key(secret, address))
        return RecentFailures(stored: stored, bootID: clock.bootID).wait(now: now)
    }

    func begin(_ secret: Secret, address: String) -> Admission {
        let key = key(secret, address)
        let now = self.now
        var wait: Int?
        change(key) { stored in
            let tally = RecentFailures(stored: stored, bootID: clock.bootID)
            wait = tally.wait(now: now)
            return wait == nil ? tally.adding(now).stored : nil
        }
        return wait.map { .refused(retryAfter: $0) } ?? .admitted(Attempt(key: key, instant: now))
    }

    /// The try was right, or was not answered: it does not count.
    func forgive(_ attempt: Attempt) {
        change(attempt.key) { stored in
            stored.map { RecentFailures(stored: $0, bootID: clock.bootID).removing(attempt.instant).stored }
        }
    }

    /// Removes the counts of addresses. Answers how many there were.
    func forget(_ addresses: Set<String>) throws -> Int {
        let keys = Set(Secret.allCases.flatMap { secret in addresses.map { key(secret, $0) } })
        return try keys.filter { try shared.remove($0) }.count
    }

    /// ms since the boot.
    private var now: Int64 { clock.boot.nanoseconds / 1_000_000 }

    private func key(_ secret: Secret, _ address: String) -> String { "guess/\(secret.rawValue)/\(AddressBlock.name(of: address))" }

    private func change(_ key: String, _ change: ([UInt8]?) -> [UInt8]?) {
        do {
            try shared.change(key, lastingSeconds: RecentFailures.window / 1000, change)
            trouble.settle("counting of failed logins: all right again")
        } catch {
            let reason = "the shared count cannot be written (\(error)); each worker counts for itself"
            trouble.raise(reason, now: clock.wall, "counting of failed logins: \(reason)")
            own.change(key, lastingSeconds: RecentFailures.window / 1000, change)
        }
    }
}

/// The failures of one address within the last minute.
struct RecentFailures: Equatable {
    /// ms since the boot, oldest first.
    private(set) var failedAt: [Int64]
    private let bootID: String

    static let most = 10
    static let window: Int64 = 60_000

    /// - Parameter stored: `<boot id>;<ms>,<ms>`. Those of another boot are more than a minute old.
    init(stored: [UInt8]?, bootID: String) {
        self.bootID = bootID
        let parts = String(decoding: stored ?? [], as: UTF8.self).split(separator: ";", omittingEmptySubsequences: false)
        let instants = parts.count == 2 && parts[0] == bootID ? parts[1] : ""
        failedAt = instants.split(separator: ",").compactMap { Int64($0) }.sorted()
    }

    var stored: [UInt8] { Array("\(bootID);\(failedAt.map(String.init).joined(separator: ","))".utf8) }

    /// Whole seconds until another try is admitted; nil if it is now.
    func wait(now: Int64) -> Int? {
        let recent = recent(now)
        guard recent.count >= Self.most else { return nil }
        let freeAt = recent[recent.count - Self.most] + Self.window
        return Int(max(1, (freeAt - now + 999) / 1000))
    }

    /// A try counts as failed from its beginning, so that many at once cannot all slip in.
    func adding(_ now: Int64) -> RecentFailures {
        var tally = self
        tally.failedAt = Array((recent(now) + [now]).suffix(Self.most))
        return tally
    }

    /// Takes one try back that turned out right.
    func removing(_ instant: Int64) -> RecentFailures {
        var tally = self
        if let place = tally.failedAt.lastIndex(of: instant) { tally.failedAt.remove(at: place) }
        return tally
    }

    /// Those of the last minute. One in the future is no instant of this boot and is dropped.
    private func recent(_ now: Int64) -> [Int64] { failedAt.filter { $0 > now - Self.window && $0 <= now } }
}

/// Where failures are counted: a small value under a key, changed by one process at a time.
protocol CountStore: Sendable {
    /// Reads, changes and writes in one transaction. nil from `change`: nothing is written.
    func change(_ key: String, lastingSeconds: Int64, _ change: (_ stored: [UInt8]?) -> [UInt8]?) throws
    func read(_ key: String) throws -> [UInt8]?
    /// Answers whether there was one.
    func remove(_ key: String) throws -> Bool
}

/// Counts within this process: what is left where the shared store cannot be written.
final class MemoryCountStore: CountStore {
    private let values = Locked<[String: [UInt8]]>([:])  // guards the counts
    private static let most = 10_000

    func change(_ key: String, lastingSeconds: Int64, _ change: ([UInt8]?) -> [UInt8]?) {
        values.withLock { values in
            guard let value = change(values[key]) else { return }
            // A crude bound: a flood from ever new addresses forgets the older ones.
            if values.count >= Self.most { values.removeAll() }
            values[key] = value
        }
    }

    func read(_ key: String) -> [UInt8]? { values.withLock { $0[key] } }

    func remove(_ key: String) -> Bool { values.withLock { $0.removeValue(forKey: key) != nil } }
}
