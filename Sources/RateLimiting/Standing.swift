import GRDB

/// One lookup's row, as far as those need it who wait for it.
struct Standing {
    var number: Int64
    var rank: Priority
    var client: String
    var notBefore: Instant?
    var isLeased: Bool
    var isFailed: Bool
    var failure: String?
}

extension Transaction {
    /// Nil when the lookup is not in the queue or has lapsed.
    func standing(of key: String) throws -> Standing? {
        try row(
            """
            SELECT number, CASE WHEN priority > 1 THEN priority WHEN \(Self.isAttended) THEN 0 ELSE 1 END, client,
                not_before, \(Self.isLeased), failed, failure
            FROM lookups WHERE key = :key AND (failed OR \(Self.isLeased) OR (\(Self.isLive)))
            """, ["key": key, "now": now]
        ).map {
            Standing(
                number: $0[0], rank: Priority(rawValue: $0[1]) ?? .warming, client: $0[2], notBefore: $0[3],
                isLeased: $0[4], isFailed: $0[5], failure: $0[6])
        }
    }

    /// The lookup was answered: it leaves the queue, and upstream can be reached.
    func close(_ lease: Lease) throws {
        try run("DELETE FROM lookups WHERE key = ?", [lease.key])
        let took = min(max(now - Instant(clamping: lease.grantedBoot), 1_000_000), 60_000_000_000)
        try run("UPDATE ledger SET call_time = call_time + (? - call_time) / 8", [took])
        try noteSuccess()
    }

    /// The lookup was not answered: it pauses, in the queue or given up.
    func suspend(_ lease: Lease, reason: String, pause: Int64, final: Bool) throws {
        try run(
            """
            UPDATE lookups SET lease = NULL, lease_until = NULL, not_before = ?, failure = ?, failed = ? WHERE key = ?
            """, [now + max(0, pause), reason, final, lease.key])
    }

    func callTime() throws -> Int64 {
        try one("SELECT call_time FROM ledger") ?? 0
    }
}
