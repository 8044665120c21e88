import GRDB
import Platform

/// A lookup as it is picked for a permit.
struct Pick {
    var key: String
    var rank: Priority
    var client: String
    var attempts: Int
}

/// The queue of lookups, in `limiter.db`.
extension Transaction {
    /// A lookup nobody waited for that long lapses; nanoseconds.
    private static let lapse: Int64 = 600_000_000_000

    /// Rows that may be granted, now or later: not given up, not lapsed.
    static let isLive = "failed = 0 AND (priority > 1 OR wanted_until > :now - \(lapse))"
    static let isLeased = "(lease_until IS NOT NULL AND lease_until > :now)"
    static let isFree = "failed = 0 AND (not_before IS NULL OR not_before <= :now) AND NOT \(isLeased)"
    static let isAttended = "(priority = 0 AND wanted_until > :now)"

    // MARK: Whose turn it is

    /// When the first lookup of callers, or of the background, can be taken; nil when there is none.
    func readiness(background: Bool) throws -> ReadyLookup? {
        let rows = "FROM lookups WHERE priority IN \(background ? "(2, 3)" : "(0, 1)") AND \(Self.isLive)"
        if try one("SELECT 1 \(rows) AND \(Self.isFree) LIMIT 1", ["now": now], as: Int.self) != nil {
            return ReadyLookup(instant: now, isLeased: false)
        }
        let row = try row(
            """
            SELECT min(max(coalesce(not_before, :now), coalesce(lease_until, :now))), coalesce(\(Self.isLeased), 0)
            \(rows)
            """, ["now": now])
        guard let row, let instant: BootTime = row[0] else { return nil }
        return ReadyLookup(instant: instant, isLeased: row[1])
    }

    func pick(background: Bool) throws -> Pick? {
        if background {
            return try pickBackground(.renewal) ?? pickBackground(.warming)
        }
        return try pickCallers(.caller, Self.isAttended, first: "\(Self.worth) DESC,")
            ?? pickCallers(.unattended, "NOT \(Self.isAttended) AND \(Self.isLive)")
    }

    /// How many clients wait for a lookup.
    private static let worth = "(SELECT count(*) FROM askers WHERE askers.key = lookups.key AND until > :now)"

    /// Clients in turn, each one's lookups by what more clients wait for, then in the order they came. The indexes walk client by client, and
    /// the first that has one is the one.
    private func pickCallers(_ rank: Priority, _ condition: String, first: String = "") throws -> Pick? {
        try row(
            """
            SELECT key, lookups.client, attempts
            FROM clients CROSS JOIN lookups INDEXED BY lookups_in_line ON lookups.client = clients.client
            WHERE priority <= 1 AND \(condition) AND \(Self.isFree)
            ORDER BY served, joined, \(first) number LIMIT 1
            """, ["now": now]
        ).map { Pick(key: $0[0], rank: rank, client: $0[1], attempts: $0[2]) }
    }

    private func pickBackground(_ rank: Priority) throws -> Pick? {
        try row(
            """
            SELECT key, client, attempts FROM lookups INDEXED BY lookups_by_priority
            WHERE priority = \(rank.rawValue) AND \(Self.isFree) ORDER BY number LIMIT 1
            """, ["now": now]
        ).map { Pick(key: $0[0], rank: rank, client: $0[1], attempts: $0[2]) }
    }

    /// Whether a lookup can be taken now.
    func isFree(_ key: String) throws -> Bool {
        try one("SELECT 1 FROM lookups WHERE key = :key AND \(Self.isFree)", ["key": key, "now": now], as: Int.self) != nil
    }

    /// Leases a lookup under the next number, and those that share its call under the same.
    /// - Parameter serving: whether its client has had its turn with that; else somebody says so with `serve`.
    func lease(_ pick: Pick, with others: [Pick], until: BootTime, serving: Bool = true) throws -> Int64 {
        let number = try nextNumber()
        for pick in [pick] + others {
            try run(
                "UPDATE lookups SET lease = ?, lease_until = ?, attempts = attempts + 1 WHERE key = ?",
                [number, until, pick.key])
        }
        if serving { try serve(pick, number) }
        return number
    }

    /// The client of a lookup has had its turn.
    func serve(_ pick: Pick, _ number: Int64) throws {
        guard !pick.rank.isBackground else { return }
        try run("UPDATE clients SET served = ? WHERE client = ?", [number, pick.client])
    }

    func isCurrent(_ lease: Lease) throws -> Bool {
        try one("SELECT 1 FROM lookups WHERE key = ? AND lease = ?", [lease.key, lease.number], as: Int.self) != nil
    }

    // MARK: Places in the queue

    func snapshot(_ batches: Batches? = nil) throws -> QueueSnapshot {
        var snapshot = QueueSnapshot(calls: try callsNeeded(batches))
        let waiting = "\(Self.isLive) AND NOT \(Self.isLeased)"
        for row in try rows(
            """
            SELECT lookups.client, served, joined, sum(\(Self.isAttended)), sum(NOT \(Self.isAttended))
            FROM lookups JOIN clients USING (client) WHERE priority <= 1 AND \(waiting) GROUP BY lookups.client
            """, ["now": now])
        {
            snapshot.clients[row[0]] = ClientLine(served: row[1], joined: row[2], attended: row[3], unattended: row[4])
        }
        for row in try rows(
            "SELECT priority, count(*) FROM lookups WHERE priority IN (2, 3) AND \(waiting) GROUP BY priority", ["now": now])
        {
            if row[0] == Priority.renewal.rawValue { snapshot.renewals = row[1] } else { snapshot.warming = row[1] }
        }
        return snapshot
    }

    /// How many lookups of the same rank stand before `number` in its client's line, or in the background's.
    func place(of number: Int64, client: String, rank: Priority) throws -> Int {
        if rank.isBackground {
            return try one(
                """
                SELECT count(*) FROM lookups INDEXED BY lookups_by_priority
                WHERE priority = :rank AND number < :number AND failed = 0 AND NOT \(Self.isLeased)
                """, ["rank": rank.rawValue, "number": number, "now": now]) ?? 0
        }
        let before =
            rank == .caller
            ? "(-\(Self.worth), number) < (SELECT -\(Self.worth), number FROM lookups WHERE number = :number)" : "number < :number"
        return try one(
            """
            SELECT count(*) FROM lookups INDEXED BY lookups_in_line
            WHERE client = :client AND \(before) AND priority <= 1 AND \(Self.isLive) AND NOT \(Self.isLeased)
            AND \(Self.isAttended) = :attended
            """, ["client": client, "number": number, "attended": rank == .caller, "now": now]) ?? 0
    }

    // MARK: Tidying

    /// Takes out some lookups that lapsed, failures that were told long enough, and clients that were not heard
    /// of for longer than some hundred others.
    func tidy() throws {
        try run(
            """
            DELETE FROM lookups WHERE number IN (
                SELECT number FROM lookups INDEXED BY lookups_by_end
                WHERE priority <= 1 AND wanted_until <= :now - \(Self.lapse) AND failed = 0 AND NOT \(Self.isLeased)
                LIMIT 64)
            """, ["now": now])
        try run(
            """
            DELETE FROM lookups WHERE number IN (
                SELECT number FROM lookups INDEXED BY lookups_given_up
                WHERE failed AND not_before <= :now - \(Self.lapse) AND NOT \(Self.isLeased) LIMIT 64)
            """, ["now": now])
        guard let clients = try one("SELECT count(*) FROM clients", as: Int.self), clients > 256 else { return }
        try run(
            """
            DELETE FROM clients WHERE client IN (
                SELECT client FROM clients
                WHERE NOT EXISTS (SELECT 1 FROM lookups WHERE lookups.client = clients.client)
                ORDER BY served, joined LIMIT 64)
            """)
    }

    /// Nil when the lookup is not in the queue or has lapsed.
    func lookupStatus(of key: String) throws -> LookupStatus? {
        try row(
            """
            SELECT number, CASE WHEN priority > 1 THEN priority WHEN \(Self.isAttended) THEN 0 ELSE 1 END, client,
                not_before, \(Self.isLeased), failed, failure, queued
            FROM lookups WHERE key = :key AND (failed OR \(Self.isLeased) OR (\(Self.isLive)))
            """, ["key": key, "now": now]
        ).map {
            LookupStatus(
                number: $0[0], rank: Priority(rawValue: $0[1]) ?? .warming, client: $0[2], notBefore: $0[3],
                isLeased: $0[4], isFailed: $0[5], failure: $0[6], queuedAt: $0[7])
        }
    }

    /// The lookup was answered: it leaves the queue, and upstream can be reached.
    func close(_ lease: Lease) throws {
        try leave(lease)
        try noteAnswer(to: lease)
    }

    func leave(_ lease: Lease) throws { try run("DELETE FROM lookups WHERE key = ?", [lease.key]) }

    func noteAnswer(to lease: Lease) throws {
        let took = min(max(now - lease.grantedAt, .milliseconds(1)), .seconds(60))
        try run("UPDATE ledger SET call_time = call_time + (? - call_time) / 8", [took.wholeNanoseconds])
        try noteSuccess()
    }

    /// The lookup was answered otherwise.
    func removeUnleased(_ key: String) throws {
        try run("DELETE FROM lookups WHERE key = :key AND NOT \(Self.isLeased)", ["key": key, "now": now])
    }

    /// The lookup was not answered: it pauses, in the queue or given up.
    func suspend(_ lease: Lease, reason: String, pause: Duration, final: Bool) throws {
        try run(
            """
            UPDATE lookups SET lease = NULL, lease_until = NULL, not_before = ?, failure = ?, failed = ? WHERE key = ?
            """, [now + max(.zero, pause), reason, final, lease.key])
    }

    /// The mean time from a grant to its answer.
    func callTime() throws -> Duration { .nanoseconds(try one("SELECT call_time FROM ledger") ?? 0) }
}

/// One lookup's row, as far as those need it who wait for it.
struct LookupStatus {
    var number: Int64
    var rank: Priority
    var client: String
    var notBefore: BootTime?
    var isLeased: Bool
    var isFailed: Bool
    var failure: String?
    /// nil where an earlier version has queued it.
    var queuedAt: BootTime?
}

/// One client's lookups that wait for a permit.
struct ClientLine: Equatable {
    /// When the client was served last, as a place in the file's sequence; 0 for never.
    var served: Int64
    /// When the client came, likewise.
    var joined: Int64
    /// How many somebody waits for, and how many nobody waits for any more.
    var attended: Int
    var unattended: Int

    /// Clients are served in turn: the one whose last turn is longest ago, then the one that came first.
    fileprivate func precedes(_ other: ClientLine) -> Bool {
        (served, joined) < (other.served, other.joined)
    }
}

/// The whole queue, as far as places in it go.
struct QueueSnapshot: Equatable {
    var clients: [String: ClientLine] = [:]
    var renewals = 0
    var warming = 0
    /// How many calls all of them need, by rank with those before it; nil where each lookup has its own.
    var calls: [Priority: Int]?

    /// How many calls will be made before that of a lookup which has `place` others of its rank before it in its line. Where lookups share
    /// calls it is an upper bound.
    func callsAhead(of client: String, rank: Priority, place: Int) -> Int {
        min(ahead(of: client, rank: rank, place: place), calls?[rank].map { max(0, $0 - 1) } ?? .max)
    }

    /// How many lookups will be granted before the one that has `place` others of its own client and rank (or of
    /// its priority, in the background) before it.
    func ahead(of client: String, rank: Priority, place: Int) -> Int {
        switch rank {
        case .caller: place + before(client, place) { $0.attended }
        case .unattended: clients.values.reduce(0) { $0 + $1.attended } + place + before(client, place) { $0.unattended }
        case .renewal: callers + place
        case .warming: callers + renewals + place
        }
    }

    /// The other clients' lookups that have their turn first when every line moves one place a round.
    private func before(_ client: String, _ place: Int, _ length: (ClientLine) -> Int) -> Int {
        guard let own = clients[client] else { return 0 }
        return clients.reduce(0) { sum, other in
            guard other.key != client else { return sum }
            return sum + min(length(other.value), place + (other.value.precedes(own) ? 1 : 0))
        }
    }

    private var callers: Int {
        clients.values.reduce(0) { $0 + $1.attended + $1.unattended }
    }
}

/// When the lookups in the queue will have their turns, if nothing else is asked for meanwhile.
struct Forecast {
    let rateLimit: RateLimit
    let now: BootTime
    /// Of the next call, for callers and for background.
    let callers: NextSlot
    let background: NextSlot
    /// The n-th newest call, counted from 1; nil when there were not so many.
    let grant: (Int) throws -> BootTime?

    /// The instant of the permit after `ahead` others.
    func slot(after ahead: Int, background isBackground: Bool) throws -> BootTime {
        let any = try slot(ahead + 1, nextSlot: callers.instant, limit: rateLimit.callsPerWindow)
        guard isBackground else { return any }
        guard rateLimit.backgroundLimit > 0 else { return .never }
        return max(any, try slot(ahead + 1, nextSlot: background.instant, limit: rateLimit.backgroundLimit))
    }

    /// The `number`-th turn from now, counted from 1.
    ///
    /// A permit is at least an interval after the one before, and a window after the one `limit` turns before.
    /// As calls are never closer than the interval, of all windows only the permit's own can hold it back beyond
    /// the interval: so two terms say exactly what counting turn by turn would.
    private func slot(_ number: Int, nextSlot: BootTime, limit: Int) throws -> BootTime {
        let first = max(nextSlot, now)
        func spaced(_ number: Int) -> BootTime {
            let (steps, overflow) = Int64(number - 1).multipliedReportingOverflow(by: rateLimit.interval.wholeNanoseconds)
            return overflow ? .never : first + .nanoseconds(steps)
        }
        var reached = (number - 1) % limit + 1
        var slot = spaced(reached)
        if let leaving = try grant(limit - reached + 1) { slot = max(slot, leaving + rateLimit.countedWindow) }
        while reached < number, slot < .never {
            reached += limit
            slot = max(spaced(reached), slot + rateLimit.countedWindow)
        }
        return slot
    }
}
