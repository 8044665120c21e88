import GRDB
import Platform

/// What a host's own limiter says and does where turns are shared among hosts: it allows, and keeps what was won.
extension FileRateLimiter {
    /// A lookup that a call may be made for, as far as this host knows.
    struct Chance: Sendable {
        var position: SharedPosition
        var pick: Pick
        /// Lookups that may share its call, and how many there is room for.
        var others: [Pick]
        var places: Int
        var isBackground: Bool
        /// Since the newest call that this host knows of.
        var gap: Duration
        /// Of the most urgent lookup beside it.
        var rankLeft: Priority?
    }

    enum Prospects: Sendable {
        case due(Chance)
        case wait(Duration, WaitReason)
    }

    /// Takes the lock that is held until `endSending`. nil: it is this process's now; else when to try again.
    func beginSending() throws(RateLimiterError) -> Duration? {
        if let pause = try atSending({ () throws(SystemError) in try sending.begin() }) { return pause }
        do {
            try file.read { try sending.countAbandoned($0) }
            if let unsaved = memory.withLock({ $0.cooldownIsSaved ? nil : $0.cooldown }) {
                try file.write { try save(cooldown: unsaved, $0) }
                memory.withLock { $0.cooldownIsSaved = $0.cooldown == unsaved }
            }
            return nil
        } catch {
            sending.end()
            throw error
        }
    }

    /// What this host's file allows at the moment. Reads only.
    /// - Parameter isNext: whether this host's turn is before the others'; nil: nobody's is.
    /// - Parameter ahead: what it will allow in so long.
    func prospects(
        of worker: String, rateLimit: RateLimit, isNext: Bool?, ahead: Duration
    ) throws(RateLimiterError) -> Prospects {
        try file.read { transaction in
            guard let position = try transaction.position() else { return .wait(.seconds(1), .turnOfAnother) }
            let headStart = isNext == false ? rateLimit.headStart : .zero
            switch try decision(transaction, rateLimit: rateLimit, headStart: headStart, ahead: ahead) {
            case .nothing: return .wait(.seconds(10), .empty)
            case .wait(let until, let reason): return .wait(until - transaction.now, reason)
            case .grant(let background):
                guard let pick = try transaction.pickControl() ?? transaction.pick(background: background) else {
                    return .wait(.seconds(10), .empty)
                }
                let newest: BootTime? = try transaction.one("SELECT instant FROM grants ORDER BY id DESC LIMIT 1")
                let places = try transaction.places(of: pick, batches)
                let others = try transaction.companions(of: pick, batches, places: places)
                return .due(
                    Chance(
                        position: position, pick: pick, others: others, places: places, isBackground: background,
                        gap: newest.map { transaction.now - $0 } ?? .zero,
                        rankLeft: try transaction.bestRank(besides: Set([pick.key] + others.map(\.key)))))
            }
        }
    }

    /// When a call may be made next, whatever is queued.
    func slot(background: Bool, rateLimit: RateLimit, isNext: Bool?) throws(RateLimiterError) -> NextSlot {
        try file.read { transaction in
            var slot = rateLimit.nextSlot(
                background: background, history: try history(transaction, for: rateLimit), blocks: try blocks(transaction))
            if isNext == false { slot.instant = slot.instant + rateLimit.headStart }
            return slot
        }
    }

    /// Leases a lookup before a turn for it is asked for, with those that may share its call: what takes a disk's time is done before the time counts.
    /// - Returns: nil when it is not free any more.
    func reserve(_ chance: Chance) throws(RateLimiterError) -> Lease? {
        try file.write { transaction in
            guard try transaction.isFree(chance.pick.key) else { return nil }
            let others = try chance.others.filter { try transaction.isFree($0.key) }
            let number = try transaction.lease(chance.pick, with: others, until: transaction.now + leaseLifetime, serving: false)
            try transaction.tidy()
            func lease(_ pick: Pick, _ others: [Lease] = [], places: Int = 1) -> Lease {
                Lease(
                    key: pick.key, number: number, attempt: pick.attempts + 1, priority: pick.rank, grantedAt: transaction.now,
                    others: others, places: places)
            }
            return lease(chance.pick, others.map { lease($0) }, places: chance.places)
        }
    }

    /// Another host there has called itself as this one does.
    func noteNamesake() throws(RateLimiterError) {
        try remember(Self.namesake, "seen", until: (clock.wall + HostWatch.patience).milliseconds)
    }

    /// Whether another host has lately called itself as this one does.
    public func hasNamesake() throws(RateLimiterError) -> Bool { try recall(Self.namesake) != nil }

    private static let namesake = "namesake"

    /// A turn was won; this process keeps to it from now on, though the file has it later.
    func noteTurn(at instant: BootTime) { memory.withLock { $0.newestGrant = max($0.newestGrant ?? instant, instant) } }

    /// Enters a turn that was won. Until then the other hosts, and by them the other processes of this one, know of it: the store has said so to all.
    func enter(_ turn: WonTurn) throws(RateLimiterError) {
        try file.write { transaction in
            try sending.correctGrant(transaction)
            _ = try transaction.spend(turn.name, background: turn.isBackground, worker: turn.worker, rateLimit: rateLimit)
            if var position = try transaction.position(), position.epoch == turn.epoch, position.turn < turn.name.number {
                (position.turn, position.seen) = (turn.name.number, transaction.now)
                try transaction.set(position)
            }
            try transaction.serve(turn.pick, turn.lease)
            for lease in turn.unused { try transaction.release(lease) }
        }
    }
}

/// A turn of this host that its file does not have yet.
struct WonTurn: Sendable {
    var name: CallName
    /// Which list its number is of.
    var epoch: String
    var isBackground: Bool
    var worker: String
    /// What it was for, and the number of its lease.
    var pick: Pick
    var lease: Int64
    /// What was leased for it, and is not.
    var unused: [Lease]
}

/// What this host remembers of the shared store, in `limiter.db`: it outlives the store, and holds when the store forgets.
extension Transaction {
    /// nil: this host has taken part in no store yet.
    func position() throws -> SharedPosition? {
        try row("SELECT epoch, turn, seen FROM shared").map { SharedPosition(epoch: $0[0], turn: $0[1], seen: $0[2]) }
    }

    func set(_ position: SharedPosition) throws {
        try run(
            """
            INSERT INTO shared (only, epoch, turn, seen) VALUES (1, ?, ?, ?)
            ON CONFLICT (only) DO UPDATE SET epoch = excluded.epoch, turn = excluded.turn, seen = excluded.seen
            """, [position.epoch, position.turn, position.seen])
    }

    // MARK: What other hosts have in hand

    /// Another host has the lookup: it is not this one's before that.
    func yield(_ key: String, until: BootTime) throws {
        try run("UPDATE lookups SET lease = NULL, lease_until = ? WHERE key = ?", [until, key])
    }

    /// When this host saw that call; nil: it does not know it.
    func instant(ofTurn number: Int64) throws -> BootTime? {
        try one("SELECT instant FROM grants WHERE turn = ? ORDER BY id DESC LIMIT 1", [number])
    }

    /// The other host has let go of it.
    func unyield(_ key: String) throws { try run("UPDATE lookups SET lease_until = NULL WHERE key = ? AND lease IS NULL", [key]) }

    // MARK: Cooldowns that hosts tell each other of

    /// Whether this host has not kept to it before.
    func isNew(_ cooldown: SharedCooldown) throws -> Bool { try one("SELECT cooldown FROM shared", as: String.self) != cooldown.name }

    /// This host keeps to it.
    func note(_ cooldown: SharedCooldown) throws { try run("UPDATE shared SET cooldown = ?", [cooldown.name]) }

    // MARK: Other hosts

    /// When each was heard of last.
    func hosts() throws -> [String: BootTime] {
        Dictionary(try rows("SELECT name, heard FROM hosts").map { ($0[0] as String, $0[1] as BootTime) }, uniquingKeysWith: { $1 })
    }

    func keep(hosts: [String: BootTime]) throws {
        try run("DELETE FROM hosts")
        for (name, heard) in hosts { try run("INSERT INTO hosts (name, heard) VALUES (?, ?)", [name, heard]) }
    }

    // MARK: What this host wants

    /// The rank of the most urgent lookup that could be granted, but for one; nil: there is none.
    func bestRank(besides keys: Set<String> = []) throws -> Priority? {
        // One more than are left out, so that one of another rank is among them.
        try rows(
            """
            SELECT key, CASE WHEN priority > 1 THEN priority WHEN \(Self.isAttended) THEN 0 ELSE 1 END AS rank FROM lookups
            WHERE \(Self.isLive) AND NOT \(Self.isLeased) AND (not_before IS NULL OR not_before <= :now) ORDER BY rank LIMIT :most
            """, ["now": now, "most": keys.count + 1]
        ).first { !keys.contains($0[0]) }.flatMap { Priority(rawValue: $0[1]) }
    }

    /// Whether somebody of this host waits for it.
    func isQueued(_ key: String) throws -> Bool {
        try one("SELECT 1 FROM lookups WHERE key = ? AND failed = 0", [key], as: Int.self) != nil
    }

    /// Whether somebody of this host waits for it, and nobody of this host is fetching it.
    func isQueuedUnleased(_ key: String) throws -> Bool {
        try one("SELECT 1 FROM lookups WHERE key = ? AND failed = 0 AND lease IS NULL", [key], as: Int.self) != nil
    }
}
