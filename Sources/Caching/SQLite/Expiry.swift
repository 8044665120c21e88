import Foundation
import GRDB

/// Clearing in an instant, whatever the number of rows: a clearing is one row that covers every older entry with its
/// prefix. Readers apply it; the purge carries it out in small steps and then takes it away.
extension EntryWriter {
    /// Answers how many entries went (or became due).
    func clear(_ cache: CacheName, prefix: [UInt8]) throws -> Int {
        if cache.keepsDueRows {
            let count = try count(cache, prefix: prefix)
            try cover(cache, prefix)
            return count
        }
        let isKept = prefix.isEmpty || Namespace.named(by: prefix) != nil
        if !isKept, let removed = try removeAll(cache, prefix, atMost: Self.fewRows) { return removed }
        let count = try count(cache, prefix: prefix)
        try cover(cache, prefix)
        if isKept { try strike(cache, prefix) }
        return count
    }

    private func cover(_ cache: CacheName, _ prefix: [UInt8]) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO clearings (cache, prefix, version) VALUES (?, ?, ?)",
            arguments: [cache.number, Data(prefix), transaction.nextVersion()])
    }

    /// Takes what a clearing covers out of the counts at once.
    private func strike(_ cache: CacheName, _ prefix: [UInt8]) throws {
        guard let name = Namespace.named(by: prefix) else {
            try db.execute(sql: "DELETE FROM namespaces WHERE cache = ?", arguments: [cache.number])
            try db.execute(sql: "UPDATE totals SET rows = 0, bytes = 0 WHERE cache = ?", arguments: [cache.number])
            return
        }
        try db.execute(
            sql: """
                UPDATE totals SET rows = totals.rows - n.rows, bytes = totals.bytes - n.bytes FROM namespaces n
                WHERE totals.cache = ?1 AND n.cache = ?1 AND n.name = ?2
                """, arguments: [cache.number, Data(name)])
        try db.execute(sql: "DELETE FROM namespaces WHERE cache = ? AND name = ?", arguments: [cache.number, Data(name)])
    }

    /// A prefix that is no namespace: its counts are not kept. Few rows go one by one; nil: there are more, which the purge removes, and
    /// takes out of the counts as it goes.
    private func removeAll(_ cache: CacheName, _ prefix: [UInt8], atMost most: Int) throws -> Int? {
        var removed = 0
        let keys = try Data.fetchAll(
            db, sql: "SELECT key FROM entries WHERE \(KeyRange.condition(prefix)) LIMIT \(most + 1)",
            arguments: KeyRange.arguments(cache, prefix))
        guard keys.count <= most else { return nil }
        for key in keys.map([UInt8].init) {
            guard let standing = try standing(cache, key) else { continue }
            if !standing.isCleared { removed += 1 }
            try remove(standing, cache, key)
        }
        return removed
    }

    func count(_ cache: CacheName, prefix: [UInt8]) throws -> Int {
        let (sql, arguments) = Counting.statement(cache, prefix)
        return try Int.fetchOne(db, sql: sql, arguments: StatementArguments(arguments.map(\.databaseValue))) ?? 0
    }

    // The purge: what has expired, what a clearing covers, and uses too old to matter, a few hundred rows in a transaction.

    /// How many rows one transaction looks at: some 5 ms for which other writers wait.
    static let step = 200
    /// So many are removed within the transaction of a clearing.
    static let fewRows = 1000
    /// A use is forgotten after a week; `due` asks for hours.
    static let useLifetime: Int64 = 7 * 86_400_000

    /// One step. Answers whether there may be more to do.
    func purge() throws -> Bool {
        let expired = try purgeExpired()
        let cleared = try carryOutClearing()
        let used = try forgetUses()
        return expired || cleared || used
    }

    /// Not by a clock that was set a moment ago: it may be wrong.
    private func purgeExpired() throws -> Bool {
        guard transaction.isClockSettled else { return false }
        let statement = try db.cachedStatement(
            sql: """
                SELECT key FROM entries INDEXED BY entries_expiry WHERE cache = ? AND expires_at <= ? LIMIT ?
                """)
        var isMore = false
        for cache in CacheName.allCases where !cache.keepsDueRows {
            let keys = try Data.fetchAll(statement, arguments: [cache.number, transaction.now, Self.step])
            for key in keys.map([UInt8].init) {
                if let standing = try standing(cache, key) { try remove(standing, cache, key) }
            }
            isMore = isMore || keys.count == Self.step
        }
        return isMore
    }

    /// Goes on along the keys of one clearing; when it has come to their end, the clearing is done.
    private func carryOutClearing() throws -> Bool {
        guard let clearing = try Row.fetchOne(db, sql: "SELECT cache, prefix, version, cursor, rowid FROM clearings LIMIT 1") else {
            return false
        }
        let number: Int64 = clearing[0]
        let prefix: Data = clearing[1]
        let cursor: Data = clearing[3]
        guard let cache = CacheName.allCases.first(where: { $0.number == number }) else { return false }
        let start = cursor.isEmpty ? prefix : cursor
        let end = Namespace.end(of: [UInt8](prefix)).map { Data($0) }
        let keys = try Data.fetchAll(
            db, sql: "SELECT key FROM entries WHERE cache = ? AND key >= ? \(end == nil ? "" : "AND key < ?") ORDER BY key LIMIT ?",
            arguments: StatementArguments([number, start] + (end.map { [$0] } ?? []) + [Self.step] as [any DatabaseValueConvertible]))
        for key in keys { try carryOut(version: clearing[2], cache, [UInt8](key)) }
        let rowid: Int64 = clearing[4]
        if keys.count == Self.step, let last = keys.last {
            // The least key after the last one.
            try db.execute(sql: "UPDATE clearings SET cursor = ? WHERE rowid = ?", arguments: [last + [0], rowid])
        } else {
            try db.execute(sql: "DELETE FROM clearings WHERE rowid = ?", arguments: [rowid])
        }
        return true
    }

    private func carryOut(version: Int64, _ cache: CacheName, _ key: [UInt8]) throws {
        guard let standing = try standing(cache, key), standing.seal.version <= version else { return }
        guard cache.keepsDueRows else { return try remove(standing, cache, key) }
        // The end that readers were told all along; the version stays, the write is the same.
        let end = min(standing.seal.expiresAt, EntryVersion.instant(of: version), transaction.now)
        try db.execute(sql: "UPDATE entries SET expires_at = ? WHERE id = ? AND expires_at > ?", arguments: [end, standing.id, end])
        try db.execute(sql: "UPDATE uses SET expires_at = ? WHERE id = ? AND expires_at > ?", arguments: [end, standing.id, end])
    }

    /// Removes a step of the records whose keys begin so and that nobody has used or written since `instant`; answers their keys.
    func prune(_ prefix: [UInt8], unusedSince instant: Int64) throws -> [[UInt8]] {
        let keys = try Data.fetchAll(
            db,
            sql: """
                SELECT e.key FROM entries e LEFT JOIN uses u ON u.id = e.id
                WHERE e.cache = ?1 AND e.stored_at < ?2 AND coalesce(u.used_at, 0) < ?2 AND substr(e.key, 1, length(?4)) = ?4 LIMIT ?3
                """, arguments: [CacheName.spotify.number, instant, Self.step, Data(prefix)]
        ).map([UInt8].init)
        for key in keys {
            guard let standing = try standing(.spotify, key) else { continue }
            try remove(standing, .spotify, key)
            try db.execute(sql: "DELETE FROM uses WHERE id = ?", arguments: [standing.id])
        }
        return keys
    }

    private func forgetUses() throws -> Bool {
        guard transaction.isClockSettled else { return false }
        try db.cachedStatement(
            sql: """
                DELETE FROM uses WHERE id IN (SELECT id FROM uses WHERE used_at < ? LIMIT ?)
                """
        ).execute(arguments: [transaction.now - Self.useLifetime, Self.step])
        return db.changesCount == Self.step
    }
}

/// The keys of a cache that begin with a prefix, as a range of the index on (cache, key).
private enum KeyRange {
    static func condition(_ prefix: [UInt8]) -> String {
        Namespace.end(of: prefix) == nil ? "cache = ? AND key >= ?" : "cache = ? AND key >= ? AND key < ?"
    }

    static func bounds(_ cache: CacheName, _ prefix: [UInt8]) -> [Argument] {
        [.integer(cache.number), .bytes(prefix)] + (Namespace.end(of: prefix).map { [.bytes($0)] } ?? [])
    }

    static func arguments(_ cache: CacheName, _ prefix: [UInt8]) -> StatementArguments {
        StatementArguments(bounds(cache, prefix).map(\.databaseValue))
    }
}

/// How a count is asked for: from the kept counts where they know it, else by going along the index.
enum Counting {
    static func statement(_ cache: CacheName, _ prefix: [UInt8]) -> (String, [Argument]) {
        if prefix.isEmpty { return ("SELECT rows FROM totals WHERE cache = ?", [.integer(cache.number)]) }
        if let name = Namespace.named(by: prefix) {
            return ("SELECT rows FROM namespaces WHERE cache = ? AND name = ?", [.integer(cache.number), .bytes(name)])
        }
        return ("SELECT count(*) FROM entries WHERE \(KeyRange.condition(prefix))", KeyRange.bounds(cache, prefix))
    }
}

extension Argument {
    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .integer(let value): value.databaseValue
        case .bytes(let bytes): Data(bytes).databaseValue
        }
    }
}
