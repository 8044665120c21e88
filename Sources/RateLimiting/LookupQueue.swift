import GRDB
import Platform

/// Asking for lookups.
extension FileRateLimiter {
    /// Puts lookups into the queue, in one transaction. A key that is in the queue already, from any process, is
    /// not queued twice: it takes the more urgent priority and the later `attendedUntil` of the two.
    ///
    /// - Returns: one admission for each ask, in their order.
    public func enqueue(_ asks: [Ask]) throws(RateLimiterError) -> [Admission] {
        guard !asks.isEmpty else { return [] }
        return try file.write { transaction in
            try transaction.tidy()
            var queueLimits = try transaction.queueLimits(limit: queueLimit)
            let wasQueued = try asks.map { ask in try transaction.lookupStatus(of: ask.key).map { !$0.isFailed } ?? false }
            let refusals = try asks.map { try transaction.admit($0, &queueLimits) }
            let outlook = try outlook(transaction)
            return try zip(zip(asks, wasQueued), refusals).map { asked, refusal in
                let (ask, wasQueued) = asked
                guard let refusal else { return try outlook.admission(of: ask.key, wasQueued: wasQueued) }
                return .refused(refusal, retryAfter: try outlook.room(for: ask, refused: refusal))
            }
        }
    }

    /// Puts a lookup into the place of the first of several that wait, for the same client and as long, since it may spare them all; that one goes
    /// to the end of its line.
    ///
    /// - Parameter fewest: unless so many of them wait it is not queued; nor where it is in the queue already.
    /// - Returns: whether it was queued.
    public func enqueue(_ key: String, inPlaceOf others: [String], fewest: Int) throws(RateLimiterError) -> Bool {
        func first(_ transaction: Transaction) throws -> Int64? {
            guard try transaction.lookupStatus(of: key) == nil else { return nil }
            let waiting = try others.compactMap { try transaction.lookupStatus(of: $0) }
                .filter { !$0.isLeased && !$0.isFailed && !$0.rank.isBackground }
            return waiting.count < fewest ? nil : waiting.min { ($0.rank, $0.number) < ($1.rank, $1.number) }?.number
        }
        guard try file.read(first) != nil else { return false }
        return try file.write { transaction in
            guard let number = try first(transaction) else { return false }
            try transaction.put(key, inPlaceOf: number)
            for other in others { try transaction.copyAskers(of: other, to: key) }
            return true
        }
    }

    /// Where lookups stand, for a worker that waits for what another fetches.
    ///
    /// - Parameter estimating: false leaves `ahead` and `wait` zero, and is much cheaper for many keys.
    /// - Returns: one state for each key, in their order.
    public func states(of keys: [String], estimating: Bool) throws(RateLimiterError) -> [LookupState] {
        guard !keys.isEmpty else { return [] }
        return try file.read { transaction in
            let outlook = estimating ? try outlook(transaction) : nil
            return try keys.map { key in
                guard let lookupStatus = try transaction.lookupStatus(of: key) else { return .absent }
                if lookupStatus.isFailed {
                    let end = lookupStatus.notBefore ?? transaction.now
                    return .failed(reason: lookupStatus.failure ?? "", retryAt: transaction.moment.wall(of: end))
                }
                if lookupStatus.isLeased { return .leased }
                guard let outlook else { return .waiting(ahead: 0, wait: .zero) }
                let (ahead, wait) = try outlook.wait(for: lookupStatus)
                return .waiting(ahead: ahead, wait: wait)
            }
        }
    }

    /// What is in the queue, by rank and then in the order in which it came.
    /// - Parameter failed: what was given up, or what was not; nil: both.
    public func queued(atMost most: Int, failed: Bool?) throws(RateLimiterError) -> [QueuedLookup] {
        try file.read { transaction in
            let outlook = try outlook(transaction)
            return try transaction.keys(atMost: most, failed: failed).compactMap { key in
                guard let status = try transaction.lookupStatus(of: key) else { return nil }
                let retryAt = status.notBefore.flatMap { $0 > transaction.now ? transaction.moment.wall(of: $0) : nil }
                return QueuedLookup(
                    key: key, priority: status.rank, isLeased: status.isLeased, isFailed: status.isFailed, failure: status.failure,
                    retryAt: retryAt, wait: status.isLeased || status.isFailed ? .zero : try outlook.wait(for: status).wait)
            }
        }
    }

    private func outlook(_ transaction: Transaction) throws -> Outlook {
        Outlook(
            transaction: transaction, snapshot: try transaction.snapshot(), forecast: try forecast(transaction),
            callTime: try transaction.callTime())
    }
}

/// A lookup in the queue, for people.
public struct QueuedLookup: Sendable, Equatable {
    public let key: String
    /// Its rank at this moment.
    public let priority: Priority
    /// A worker is fetching it.
    public let isLeased: Bool
    /// It was given up; it stays to say so until `retryAt`.
    public let isFailed: Bool
    /// Why the latest attempt failed.
    public let failure: String?
    /// Wall-clock milliseconds; nil where nothing holds it back but its turn.
    public let retryAt: Int64?
    /// Until its answer can be expected; zero for what is under way or given up.
    public let wait: Duration
}

/// What can be said about waiting, at one moment.
private struct Outlook {
    let transaction: Transaction
    let snapshot: QueueSnapshot
    let forecast: Forecast
    /// The mean time from a grant to its answer.
    let callTime: Duration

    func admission(of key: String, wasQueued: Bool) throws -> Admission {
        guard let lookupStatus = try transaction.lookupStatus(of: key), !lookupStatus.isLeased else {
            return .queued(ahead: 0, wait: callTime, wasQueued: wasQueued)
        }
        let (ahead, wait) = try wait(for: lookupStatus)
        return .queued(ahead: ahead, wait: wait, wasQueued: wasQueued)
    }

    func wait(for lookupStatus: LookupStatus) throws -> (ahead: Int, wait: Duration) {
        let place = try transaction.place(of: lookupStatus.number, client: lookupStatus.client, rank: lookupStatus.rank)
        let ahead = snapshot.ahead(of: lookupStatus.client, rank: lookupStatus.rank, place: place)
        let slot = try forecast.slot(after: ahead, background: lookupStatus.rank.isBackground)
        let instant = max(slot, lookupStatus.notBefore ?? slot)
        return (ahead, instant - transaction.now + callTime)
    }

    /// Until a place is free: the next turn of the client that had its share, or anybody's next.
    func room(for ask: Ask, refused refusal: Refusal) throws -> Duration {
        let ahead = refusal == .clientShare ? snapshot.ahead(of: ask.client, rank: .caller, place: 0) : 0
        return try forecast.slot(after: ahead, background: ask.priority.isBackground) - transaction.now
    }
}

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
    fileprivate func queueLimits(limit: Int) throws -> QueueLimits {
        var queueLimits = QueueLimits(limit: limit)
        for row in try rows("SELECT priority, count(*) FROM lookups WHERE failed = 0 GROUP BY priority") {
            guard let priority = Priority(rawValue: row[0]) else { continue }
            queueLimits.count(priority, by: row[1])
        }
        return queueLimits
    }

    fileprivate func keys(atMost most: Int, failed: Bool?) throws -> [String] {
        try rows(
            """
            SELECT key FROM lookups WHERE (failed OR \(Self.isLeased) OR (\(Self.isLive)))
                \(failed.map { $0 ? "AND failed" : "AND NOT failed" } ?? "")
            ORDER BY failed, priority, number LIMIT :most
            """, ["now": now, "most": most]
        ).map { $0[0] }
    }

    private func know(_ client: String, _ queueLimits: inout QueueLimits) throws {
        guard queueLimits.clients[client] == nil else { return }
        queueLimits.clients[client] =
            try one(
                "SELECT count(*) FROM lookups WHERE client = ? AND failed = 0 AND priority <= 1", [client]) ?? 0
    }

    /// Puts an ask into the queue or joins it to the lookup that is there; nil when that went well.
    fileprivate func admit(_ ask: Ask, _ queueLimits: inout QueueLimits) throws -> Refusal? {
        let wanted = max(now, ask.attendedUntil > 0 ? moment.instant(ofWall: ask.attendedUntil) : now)
        let queued = try queued(ask.key)
        for client in [ask.client, queued?.client].compactMap({ $0 }) { try know(client, &queueLimits) }
        if let queued, queued.isLive,
            queued.priority.isBackground == ask.priority.isBackground
                || ask.priority.isBackground
        {
            try join(ask, queued, wanted: wanted, &queueLimits)
            try note(ask, wanted: wanted)
            return nil
        }
        if let refusal = queueLimits.refusal(of: ask.priority, client: ask.client) {
            guard refusal == .queueFull, wanted > now, ask.priority == .caller, try evict(&queueLimits) else {
                return refusal
            }
        }
        if let queued, queued.isCounted { queueLimits.count(queued.priority, client: queued.client, by: -1) }
        queueLimits.count(ask.priority, client: ask.client)
        try put(ask, wanted: wanted)
        try note(ask, wanted: wanted)
        return nil
    }

    /// A client waits for a lookup that is in the queue.
    private func note(_ ask: Ask, wanted: BootTime) throws {
        guard ask.priority == .caller, wanted > now else { return }
        try run(
            """
            INSERT INTO askers (key, client, until) VALUES (?, ?, ?)
            ON CONFLICT (key, client) DO UPDATE SET until = max(until, excluded.until)
            """, [ask.key, ask.client, wanted])
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
    private func join(_ ask: Ask, _ queued: Queued, wanted: BootTime, _ queueLimits: inout QueueLimits) throws {
        let priority = min(ask.priority, queued.priority)
        var client = queued.client
        if !ask.priority.isBackground, queueLimits.held(by: ask.client) + 1 < queueLimits.held(by: queued.client) {
            client = ask.client
        }
        if client != queued.client || priority != queued.priority {
            queueLimits.count(queued.priority, client: queued.client, by: -1)
            queueLimits.count(priority, client: client)
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
    private func put(_ ask: Ask, wanted: BootTime) throws {
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

    /// A failure of before, or what has lapsed, makes way.
    fileprivate func put(_ key: String, inPlaceOf number: Int64) throws {
        let last = try nextNumber()
        try run("DELETE FROM lookups WHERE key = ?", [key])
        try run("UPDATE lookups SET number = ? WHERE number = ?", [last, number])
        try run(
            """
            INSERT INTO lookups (key, number, priority, client, wanted_until)
            SELECT ?, ?, priority, client, wanted_until FROM lookups WHERE number = ?
            """, [key, number, last])
    }

    /// Who waits for a lookup waits for the one that may spare it.
    fileprivate func copyAskers(of key: String, to other: String) throws {
        try run(
            """
            INSERT INTO askers (key, client, until) SELECT ?, client, until FROM askers WHERE key = ?
            ON CONFLICT (key, client) DO UPDATE SET until = max(until, excluded.until)
            """, [other, key])
    }

    private func seat(_ client: String) throws {
        guard try one("SELECT 1 FROM clients WHERE client = ?", [client], as: Int.self) == nil else { return }
        try run("INSERT INTO clients (client, served, joined) VALUES (?, 0, ?)", [client, try nextNumber()])
    }

    /// Makes room for somebody who waits: the lookup that nobody has waited for the longest leaves.
    private func evict(_ queueLimits: inout QueueLimits) throws -> Bool {
        let row = try row(
            """
            SELECT key, priority, client FROM lookups
            WHERE failed = 0 AND priority <= 1 AND wanted_until <= :now AND \(Self.isLive) AND NOT \(Self.isLeased)
            ORDER BY wanted_until LIMIT 1
            """, ["now": now])
        guard let row, let priority = Priority(rawValue: row[1]) else { return false }
        try run("DELETE FROM lookups WHERE key = ?", [row[0] as String])
        try know(row[2], &queueLimits)
        queueLimits.count(priority, client: row[2], by: -1)
        return true
    }
}

/// How much of the queue is taken, and what may still come in.
struct QueueLimits: Equatable {
    let limit: Int
    /// Callers' lookups of the clients that asked, attended or not.
    var clients: [String: Int] = [:]
    var callers = 0
    var renewals = 0
    var warming = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// One client may hold a quarter of the queue.
    var share: Int { max(1, limit / 4) }
    /// Renewals may hold half as many lookups as callers, beside theirs, and so may warming: neither can fill
    /// the queue against a caller, nor warming against renewals.
    var backgroundLimit: Int { max(1, limit / 2) }

    func refusal(of priority: Priority, client: String) -> Refusal? {
        switch priority {
        case .caller, .unattended:
            if held(by: client) >= share { return .clientShare }
            return callers >= limit ? .queueFull : nil
        case .renewal: return renewals >= backgroundLimit ? .queueFull : nil
        case .warming: return warming >= backgroundLimit ? .queueFull : nil
        }
    }

    func held(by client: String) -> Int { clients[client, default: 0] }

    mutating func count(_ priority: Priority, client: String? = nil, by amount: Int = 1) {
        switch priority {
        case .caller, .unattended:
            callers += amount
            if let client { clients[client, default: 0] += amount }
        case .renewal: renewals += amount
        case .warming: warming += amount
        }
    }
}
