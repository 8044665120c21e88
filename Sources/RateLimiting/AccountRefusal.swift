import GRDB
import Platform

/// What a refusal says that may be the account's and not the thing's.
public enum Suspicion: Sendable, Equatable {
    /// The account is served: the refusal is the thing's own.
    case unfounded
    /// The lookup waits. A thing that was answered before is asked for first, in a turn of its own: a control call.
    case examined
    /// No call is made before that, in wall-clock milliseconds.
    case confirmed(until: Int64)
    /// The lease is not ours any more.
    case stale
}

/// A refusal that is kept in mind until the control call has shown whose it is.
public struct SuspectedRefusal: Sendable, Equatable {
    /// The lookup that was refused.
    public var key: String
    /// As it was given to `suspectAccount`.
    public var refusal: String
}

extension Lease {
    static let controlPrefix = "control/"

    /// Its call is made to see whether Spotify serves this account.
    public var isControl: Bool { key.hasPrefix(Self.controlPrefix) }

    /// What is asked for.
    public var subject: String { isControl ? String(key.dropFirst(Self.controlPrefix.count)) : key }
}

/// Whether Spotify serves this account at all. When its owner's subscription lapses, Spotify refuses everything; what is asked for has no part
/// in that, and no caller can bring a pause about by what it asks for.
///
/// A refusal that may be the account's begins a control call. While that is due, and later while the account is refused, nothing else is called:
/// each pause ends with a control call, and what Spotify answers to any call ends the matter.
extension FileRateLimiter {
    /// A call was refused in a way that may be the account's.
    ///
    /// - Parameters:
    ///   - refusal: to be kept in mind; `clearAccount` hands it back.
    ///   - reason: for the log and the status.
    ///   - saysSo: the refusal speaks of the account; else it is odd only because the thing was answered before.
    public func suspectAccount(_ lease: Lease, refusal: String, reason: String, saysSo: Bool) throws(RateLimiterError) -> Suspicion {
        let suspicion: Suspicion = try file.write { transaction in
            guard try transaction.isCurrent(lease) else { return .stale }
            let pause = try transaction.pause(.account)
            if try transaction.fact(AccountFact.cleared) != nil { return .unfounded }
            if try transaction.control() != nil || pause.map({ $0.until > transaction.now }) == true {
                try transaction.release(lease)
                return .examined
            }
            if let known = try transaction.known(otherThan: lease.key) {
                try transaction.putControl(of: known, notBefore: nil)
                try transaction.keep(AccountFact.suspicion, "\(lease.key)\n\(refusal)", for: .seconds(600))
                try transaction.release(lease)
                return .examined
            }
            guard saysSo else { return .unfounded }
            // Nothing is known that could say otherwise. The others go first when the pause ends: what one caller asks for holds up nobody's.
            try transaction.release(lease)
            try transaction.moveBack(lease)
            let end = try transaction.pauseAccount(reason)
            if try transaction.fact(AccountFact.known) == lease.key { try transaction.putControl(of: lease.key, notBefore: end) }
            return .confirmed(until: transaction.moment.wall(of: end))
        }
        if case .confirmed(let end) = suspicion { say(reason, until: end) }
        return suspicion
    }

    /// The control call was refused, too: no call before the pause ends, 5 s, doubling up to ten minutes.
    ///
    /// - Returns: its end in wall-clock milliseconds; nil when the lease is not current.
    public func confirmAccountRefusal(_ lease: Lease, reason: String) throws(RateLimiterError) -> Int64? {
        let end: Int64? = try file.write { transaction in
            guard try transaction.isCurrent(lease) else { return nil }
            let end = try transaction.pauseAccount(reason)
            // Another one next time: this one may have been refused for its own sake.
            try transaction.removeControls()
            try transaction.putControl(of: try transaction.known(otherThan: lease.subject) ?? lease.subject, notBefore: end)
            try transaction.forget(AccountFact.suspicion)
            return transaction.moment.wall(of: end)
        }
        if let end { say(reason, until: end) }
        return end
    }

    /// The control call was answered: Spotify serves this account.
    ///
    /// - Parameter store: as in `finish`; it is given the refusal that was kept in mind, which is the thing's own then. None is given where the
    ///   account was refused in between.
    /// - Returns: whether the lease was current.
    public func clearAccount(
        _ lease: Lease, known: String?, storing store: (SuspectedRefusal?) throws -> Void
    ) throws(RateLimiterError) -> Bool {
        let (isCurrent, wasRefused) = try file.write { transaction in
            guard try transaction.isCurrent(lease) else { return (false, false) }
            let suspected = try transaction.fact(AccountFact.suspicion).flatMap(SuspectedRefusal.init)
            do { try store(suspected) } catch { throw RateLimiterError.storing(error) }
            let wasRefused = try transaction.pause(.account) != nil
            try transaction.close(lease)
            try transaction.noteServed(known)
            // For a while a refusal that speaks of the account is believed to be a thing's: nobody makes us ask and ask again.
            if !wasRefused { try transaction.keep(AccountFact.cleared, "", for: AccountFact.clearance) }
            if let suspected { try transaction.removeUnleased(suspected.key) }
            return (true, wasRefused)
        }
        if wasRefused { sayServed() }
        return isCurrent
    }

    func sayServed() { log.notice("Spotify serves this account again; calls go on.") }

    private func say(_ reason: String, until end: Int64) {
        log.warning(
            "Spotify refuses this account; no call is made for a while.",
            metadata: ["reason": "\(reason)", "until": .stringConvertible(end)])
    }
}

extension SuspectedRefusal {
    fileprivate init?(_ text: String) {
        let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(key: String(parts[0]), refusal: String(parts[1]))
    }
}

/// What the file remembers for this, among its facts.
private enum AccountFact {
    /// What was answered last, and before that.
    static let (known, knownBefore) = ("account/known", "account/known-before")
    static let suspicion = "account/suspicion"
    static let cleared = "account/cleared"
    static let clearance = Duration.seconds(300)
}

extension Transaction {
    /// Spotify answered a call: it serves this account, and what it answered may be asked again to see whether it still does.
    ///
    /// - Parameter known: nil where that is no good for it.
    /// - Returns: whether the account was refused before.
    @discardableResult
    func noteServed(_ known: String?) throws -> Bool {
        let wasRefused = try pause(.account) != nil
        if wasRefused { try run("DELETE FROM pauses WHERE what = 'account'") }
        try removeControls()
        if let known, let last = try fact(AccountFact.known), last != known {
            try keep(AccountFact.knownBefore, last, for: nil)
            try keep(AccountFact.known, known, for: nil)
        } else if let known, try fact(AccountFact.known) == nil {
            try keep(AccountFact.known, known, for: nil)
        }
        return wasRefused
    }

    /// The control call that is due, or under way.
    func control() throws -> ReadyLookup? {
        let row = try row(
            """
            SELECT max(coalesce(not_before, :now), coalesce(lease_until, :now)), \(Self.isLeased)
            FROM lookups WHERE \(Self.isControl) AND failed = 0 LIMIT 1
            """, ["now": now])
        return row.map { ReadyLookup(instant: $0[0], isLeased: $0[1]) }
    }

    func pickControl() throws -> Pick? {
        try row("SELECT key, attempts FROM lookups WHERE \(Self.isControl) AND failed = 0 LIMIT 1").map {
            Pick(key: $0[0], rank: .caller, client: "", attempts: $0[1])
        }
    }

    /// Whether there is anything for which it matters.
    func hasOthersThanControl() throws -> Bool {
        try one("SELECT 1 FROM lookups WHERE \(Self.isLive) AND NOT (\(Self.isControl)) LIMIT 1", ["now": now], as: Int.self) != nil
    }

    /// By the index on keys: all that begin with the prefix.
    private static let isControl = "key >= 'control/' AND key < 'control0'"

    fileprivate func fact(_ name: String) throws -> String? {
        try one("SELECT value FROM facts WHERE name = ? AND (until IS NULL OR until > ?)", [name, now])
    }

    fileprivate func keep(_ name: String, _ value: String, for length: Duration?) throws {
        try run("INSERT OR REPLACE INTO facts (name, value, until) VALUES (?, ?, ?)", [name, value, length.map { now + $0 }])
    }

    fileprivate func forget(_ name: String) throws { try run("DELETE FROM facts WHERE name = ?", [name]) }

    fileprivate func known(otherThan key: String) throws -> String? {
        try [AccountFact.known, AccountFact.knownBefore].compactMap { try fact($0) }.first { $0 != key }
    }

    /// It belongs to no client's line, so that it is nobody's but `pickControl`'s.
    fileprivate func putControl(of known: String, notBefore: BootTime?) throws {
        try run(
            """
            INSERT OR REPLACE INTO lookups (key, number, priority, client, wanted_until, not_before) VALUES (?, ?, 0, '', ?, ?)
            """, [Lease.controlPrefix + known, try nextNumber(), now + .seconds(86_400 * 365), notBefore])
    }

    fileprivate func removeControls() throws { try run("DELETE FROM lookups WHERE \(Self.isControl)") }

    /// The lookup is free again; the attempt is not counted.
    fileprivate func release(_ lease: Lease) throws {
        try run(
            "UPDATE lookups SET lease = NULL, lease_until = NULL, attempts = max(0, attempts - 1) WHERE key = ? AND lease = ?",
            [lease.key, lease.number])
    }

    /// To the end of its line.
    fileprivate func moveBack(_ lease: Lease) throws {
        try run("UPDATE lookups SET number = ? WHERE key = ?", [try nextNumber(), lease.key])
    }

    fileprivate func pauseAccount(_ reason: String) throws -> BootTime {
        var pause = Backoff.after(try pause(.account), now: now, told: nil, growth: .account)
        pause.reason = reason
        try set(.account, pause)
        return pause.until
    }
}
