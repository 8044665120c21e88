import GRDB

/// A lookup as it is picked for a turn.
struct Pick {
    var key: String
    var rank: Priority
    var client: String
    var attempts: Int
}

/// The queue of lookups, in `limiter.db`.
extension Transaction {
    /// A lookup nobody waited for that long lapses.
    static var lapse: Int64 { 600_000_000_000 }

    /// Rows that may be granted, now or later: not given up, not lapsed.
    static let isLive = "failed = 0 AND (priority > 1 OR wanted_until > :now - \(lapse))"
    static let isLeased = "(lease_until IS NOT NULL AND lease_until > :now)"
    static let isFree = "failed = 0 AND (not_before IS NULL OR not_before <= :now) AND NOT \(isLeased)"
    static let isAttended = "(priority = 0 AND wanted_until > :now)"

    // MARK: Whose turn it is

    /// When the first lookup of callers, or of the background, can be taken; nil when there is none.
    func readiness(background: Bool) throws -> Readiness? {
        let rows = "FROM lookups WHERE priority IN \(background ? "(2, 3)" : "(0, 1)") AND \(Self.isLive)"
        if try one("SELECT 1 \(rows) AND \(Self.isFree) LIMIT 1", ["now": now], as: Int.self) != nil {
            return Readiness(instant: now, isLeased: false)
        }
        let row = try row(
            """
            SELECT min(max(coalesce(not_before, :now), coalesce(lease_until, :now))), coalesce(\(Self.isLeased), 0)
            \(rows)
            """, ["now": now])
        guard let row, let instant: Instant = row[0] else { return nil }
        return Readiness(instant: instant, isLeased: row[1])
    }

    func pick(background: Bool) throws -> Pick? {
        if background {
            return try pickBackground(.renewal) ?? pickBackground(.warming)
        }
        return try pickCallers(.caller, Self.isAttended)
            ?? pickCallers(.unattended, "NOT \(Self.isAttended) AND \(Self.isLive)")
    }

    /// Clients in turn, each one's lookups in the order they came. The indexes walk in just that order and the
    /// first that fits is the one.
    private func pickCallers(_ rank: Priority, _ condition: String) throws -> Pick? {
        try row(
            """
            SELECT key, lookups.client, attempts
            FROM clients CROSS JOIN lookups INDEXED BY lookups_in_line ON lookups.client = clients.client
            WHERE priority <= 1 AND \(condition) AND \(Self.isFree)
            ORDER BY served, joined, number LIMIT 1
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

    /// Leases a lookup under the next number.
    func lease(_ pick: Pick, until: Instant) throws -> Int64 {
        let number = try nextNumber()
        try run(
            "UPDATE lookups SET lease = ?, lease_until = ?, attempts = attempts + 1 WHERE key = ?",
            [number, until, pick.key])
        if !pick.rank.isBackground {
            try run("UPDATE clients SET served = ? WHERE client = ?", [number, pick.client])
        }
        return number
    }

    func isCurrent(_ lease: Lease) throws -> Bool {
        try one("SELECT 1 FROM lookups WHERE key = ? AND lease = ?", [lease.key, lease.number], as: Int.self) != nil
    }

    // MARK: Places in the queue

    func lines() throws -> Lines {
        var lines = Lines()
        let waiting = "\(Self.isLive) AND NOT \(Self.isLeased)"
        for row in try rows(
            """
            SELECT lookups.client, served, joined, sum(\(Self.isAttended)), sum(NOT \(Self.isAttended))
            FROM lookups JOIN clients USING (client) WHERE priority <= 1 AND \(waiting) GROUP BY lookups.client
            """, ["now": now])
        {
            lines.clients[row[0]] = Line(served: row[1], joined: row[2], attended: row[3], unattended: row[4])
        }
        for row in try rows(
            "SELECT priority, count(*) FROM lookups WHERE priority IN (2, 3) AND \(waiting) GROUP BY priority", ["now": now])
        {
            if row[0] == Priority.renewal.rawValue { lines.renewals = row[1] } else { lines.warming = row[1] }
        }
        return lines
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
        return try one(
            """
            SELECT count(*) FROM lookups INDEXED BY lookups_in_line
            WHERE client = :client AND number < :number AND priority <= 1 AND \(Self.isLive) AND NOT \(Self.isLeased)
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
}
