import GRDB

/// A lookup that is in the queue when it is asked for again.
private struct Queued {
    var priority: Priority
    var client: String
    /// False when it was given up or has lapsed.
    var isLive: Bool
    /// False when it was given up.
    var isCounted: Bool
}

/// Letting asks into the queue.
extension Transaction {
    /// The queue as it is; how much of it a client holds is looked up when the client asks (`know`).
    func occupancy(limit: Int) throws -> Occupancy {
        var occupancy = Occupancy(limit: limit)
        for row in try rows("SELECT priority, count(*) FROM lookups WHERE failed = 0 GROUP BY priority") {
            guard let priority = Priority(rawValue: row[0]) else { continue }
            occupancy.count(priority, by: row[1])
        }
        return occupancy
    }

    private func know(_ client: String, _ occupancy: inout Occupancy) throws {
        guard occupancy.clients[client] == nil else { return }
        occupancy.clients[client] =
            try one(
                "SELECT count(*) FROM lookups WHERE client = ? AND failed = 0 AND priority <= 1", [client]) ?? 0
    }

    /// Puts an ask into the queue or joins it to the lookup that is there; nil when that went well.
    func admit(_ ask: Ask, _ occupancy: inout Occupancy) throws -> Refusal? {
        let wanted = max(now, ask.attendedUntil > 0 ? moment.instant(ofWall: ask.attendedUntil) : now)
        let queued = try queued(ask.key)
        for client in [ask.client, queued?.client].compactMap({ $0 }) { try know(client, &occupancy) }
        if let queued, queued.isLive,
            queued.priority.isBackground == ask.priority.isBackground
                || ask.priority.isBackground
        {
            try join(ask, queued, wanted: wanted, &occupancy)
            return nil
        }
        if let refusal = occupancy.refusal(of: ask.priority, client: ask.client) {
            guard refusal == .queueFull, wanted > now, ask.priority == .caller, try evict(&occupancy) else {
                return refusal
            }
        }
        if let queued, queued.isCounted { occupancy.count(queued.priority, client: queued.client, by: -1) }
        occupancy.count(ask.priority, client: ask.client)
        try put(ask, wanted: wanted)
        return nil
    }

    private func queued(_ key: String) throws -> Queued? {
        try row(
            "SELECT priority, client, \(Self.isLive), failed = 0 FROM lookups WHERE key = :key", ["key": key, "now": now]
        ).map {
            Queued(
                priority: Priority(rawValue: $0[0]) ?? .warming, client: $0[1], isLive: $0[2], isCounted: $0[3])
        }
    }

    /// A lookup that is in the queue already stays where it is. It moves to the line of the client with fewer
    /// lookups, so that nobody waits behind another client's many for what both asked for.
    private func join(_ ask: Ask, _ queued: Queued, wanted: Instant, _ occupancy: inout Occupancy) throws {
        let priority = min(ask.priority, queued.priority)
        var client = queued.client
        if !ask.priority.isBackground, occupancy.held(by: ask.client) + 1 < occupancy.held(by: queued.client) {
            client = ask.client
        }
        if client != queued.client || priority != queued.priority {
            occupancy.count(queued.priority, client: queued.client, by: -1)
            occupancy.count(priority, client: client)
        }
        if !priority.isBackground { try seat(client) }
        try run(
            """
            UPDATE lookups SET priority = :priority, client = :client, wanted_until = max(wanted_until, :wanted)
            WHERE key = :key AND (priority <> :priority OR client <> :client OR wanted_until < :wanted)
            """, ["priority": priority.rawValue, "client": client, "wanted": wanted, "key": ask.key])
    }

    /// A new lookup, or one that was given up, lapsed, or waited in the background. A pause after a failure and
    /// a lease that is out stay.
    private func put(_ ask: Ask, wanted: Instant) throws {
        if !ask.priority.isBackground { try seat(ask.client) }
        try run(
            """
            INSERT INTO lookups (key, number, priority, client, wanted_until)
            VALUES (:key, :number, :priority, :client, :wanted)
            ON CONFLICT (key) DO UPDATE SET number = :number, priority = :priority, client = :client,
                wanted_until = :wanted, attempts = CASE WHEN failed THEN 0 ELSE attempts END, failed = 0
            """,
            [
                "key": ask.key, "number": try nextNumber(), "priority": ask.priority.rawValue, "client": ask.client,
                "wanted": wanted,
            ])
    }

    private func seat(_ client: String) throws {
        guard try one("SELECT 1 FROM clients WHERE client = ?", [client], as: Int.self) == nil else { return }
        try run("INSERT INTO clients (client, served, joined) VALUES (?, 0, ?)", [client, try nextNumber()])
    }

    /// Makes room for somebody who waits: the lookup that nobody has waited for the longest leaves.
    private func evict(_ occupancy: inout Occupancy) throws -> Bool {
        let row = try row(
            """
            SELECT key, priority, client FROM lookups
            WHERE failed = 0 AND priority <= 1 AND wanted_until <= :now AND \(Self.isLive) AND NOT \(Self.isLeased)
            ORDER BY wanted_until LIMIT 1
            """, ["now": now])
        guard let row, let priority = Priority(rawValue: row[1]) else { return false }
        try run("DELETE FROM lookups WHERE key = ?", [row[0] as String])
        try know(row[2], &occupancy)
        occupancy.count(priority, client: row[2], by: -1)
        return true
    }
}
