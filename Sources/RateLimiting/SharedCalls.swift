import GRDB
import Platform

/// Lookups that share a call, in `limiter.db`.
extension FileRateLimiter {
    /// The lookups of this lease's family have calls of their own for a while.
    public func closeBatches(of lease: Lease, for length: Duration) throws(RateLimiterError) {
        guard let line = batches?.line(of: lease.subject) else { return }
        try file.write { transaction in try transaction.keep(Batches.closed + line.family, "", for: length) }
    }

    /// How many lookups like this one a call may ask for; 1 where each has its own.
    public func batchSize(of key: String) throws(RateLimiterError) -> Int {
        try file.read { transaction in try transaction.openLine(of: key, batches)?.size ?? 1 }
    }
}

extension Transaction {
    /// How many things the call of a lookup that is picked may ask for.
    func places(of pick: Pick, _ batches: Batches?) throws -> Int {
        guard pick.attempts < Batches.mostAttempts, let line = try openLine(of: pick.key, batches) else { return 1 }
        return try max(1, min(line.size, fact(Batches.together + pick.key).flatMap { Int($0) } ?? line.size))
    }

    /// The lookups that share the call of one that is picked: callers' first, then the background's, each in the order in which they came.
    func companions(of pick: Pick, _ batches: Batches?, places most: Int) throws -> [Pick] {
        guard most > 1, let line = batches?.line(of: pick.key) else { return [] }
        return try rows(
            """
            SELECT key, \(Self.rank) AS rank, client, attempts FROM lookups
            WHERE key >= :from AND key < :to AND key <> :key AND \(Self.isLive) AND \(Self.isFree) AND attempts < \(Batches.mostAttempts)
            AND NOT EXISTS (
                SELECT 1 FROM facts WHERE name = '\(Batches.together)' || key AND until > :now AND CAST(value AS INTEGER) < :most)
            ORDER BY rank, number LIMIT :others
            """,
            [
                "from": line.prefix, "to": String(line.prefix.dropLast()) + "0", "key": pick.key, "now": now, "most": most,
                "others": most - 1,
            ]
        ).map { Pick(key: $0[0], rank: Priority(rawValue: $0[1]) ?? .warming, client: $0[2], attempts: $0[3]) }
    }

    /// A lookup is free again where it stood, and the attempt is not counted.
    /// - Parameter most: how many may share its next call; nil: as many as may be.
    func giveBack(_ lease: Lease, together most: Int?) throws {
        try release(lease)
        if let most { try keep(Batches.together + lease.key, "\(most)", for: Batches.memory) }
    }

    /// How many calls all that waits needs, by rank with those before it; nil where each lookup has its own.
    func callsNeeded(_ batches: Batches?) throws -> [Priority: Int]? {
        guard let batches, try isOpen(batches) else { return nil }
        var closed: [String: Bool] = [:]
        var waiting: [Batches.Line: Int] = [:]
        var alone = 0
        var calls: [Priority: Int] = [:]
        let counted = try rows(
            """
            SELECT substr(key, 1, instr(key, '/')) || 'x' AS example, \(Self.rank) AS rank, count(*) FROM lookups
            WHERE \(Self.isLive) AND NOT \(Self.isLeased) GROUP BY example, rank ORDER BY rank
            """, ["now": now])
        for rank in Priority.allCases {
            for row in counted where row[1] == rank.rawValue {
                if let line = batches.line(of: row[0]), try !isClosed(line, &closed) {
                    waiting[line, default: 0] += row[2] as Int
                } else {
                    alone += row[2] as Int
                }
            }
            calls[rank] = alone + waiting.reduce(0) { $0 + ($1.value + $1.key.size - 1) / $1.key.size }
        }
        return calls
    }

    private func isClosed(_ line: Batches.Line, _ known: inout [String: Bool]) throws -> Bool {
        if let known = known[line.family] { return known }
        let isClosed = try fact(Batches.closed + line.family) != nil
        known[line.family] = isClosed
        return isClosed
    }

    fileprivate func openLine(of key: String, _ batches: Batches?) throws -> Batches.Line? {
        guard let batches, let line = batches.line(of: key), try isOpen(batches), try fact(Batches.closed + line.family) == nil else {
            return nil
        }
        return line
    }

    private func isOpen(_ batches: Batches) throws -> Bool { try fact(batches.condition.fact) == batches.condition.value }

    /// A lookup's rank at this moment.
    private static let rank = "CASE WHEN priority > 1 THEN priority WHEN \(isAttended) THEN 0 ELSE 1 END"
}
