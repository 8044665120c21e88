import Foundation
import GRDB
import Platform

/// The writes to the entries, inside one immediate transaction.
struct EntryWriter {
    let db: Database
    let transaction: WriteTransaction

    /// What stands under a key: also a row that has expired, or that a clearing covers and the purge has not reached.
    struct Standing {
        var id: Int64
        var seal: Seal
        var bytes: Int64
        /// A clearing covers it: nobody finds it any more.
        var isCleared: Bool
        /// Whether it is in the counts: it is not when the clearing took all that it covers out of them.
        var isCounted: Bool
        var value: [UInt8]?

        func isAlive(_ cache: CacheName, now: Int64) -> Bool {
            !isCleared && (cache.keepsDueRows || seal.expiresAt > now)
        }
    }

    func standing(_ cache: CacheName, _ key: [UInt8], value: Bool = false) throws -> Standing? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT e.id, e.version, e.stored_at, e.expires_at, length(e.value),
                    (SELECT max(c.version) FROM clearings c
                     WHERE c.cache = e.cache AND substr(e.key, 1, length(c.prefix)) = c.prefix),
                    \(value ? "e.value" : "NULL"),
                    (SELECT max(c.version) FROM clearings c
                     WHERE c.cache = e.cache AND substr(e.key, 1, length(c.prefix)) = c.prefix AND \(Namespace.isCounted("c.prefix")))
                FROM entries e WHERE e.cache = ? AND e.key = ?
                """)
        guard let row = try Row.fetchOne(statement, arguments: [cache.number, Data(key)]) else { return nil }
        var seal = Seal(version: row[1], storedAt: row[2], expiresAt: row[3])
        let cleared: Int64? = row[5]
        let isCovered = cleared.map { $0 >= seal.version } ?? false
        if isCovered, cache.keepsDueRows { seal.expiresAt = min(seal.expiresAt, transaction.now) }
        let data: Data? = row[6]
        let struck: Int64? = row[7]
        return Standing(
            id: row[0], seal: seal, bytes: Int64(key.count) + row[4], isCleared: isCovered && !cache.keepsDueRows,
            isCounted: cache.keepsDueRows || struck.map { $0 < seal.version } ?? true, value: data.map([UInt8].init))
    }

    /// The entry as a reader would get it.
    func entry(_ cache: CacheName, _ key: [UInt8]) throws -> Entry? {
        guard let old = try standing(cache, key, value: true), old.isAlive(cache, now: transaction.now) else { return nil }
        let seal = old.seal
        return Entry(value: old.value ?? [], version: seal.version, storedAt: seal.storedAt, expiresAt: seal.expiresAt)
    }

    /// `onlyIfVersion`: the version of the entry to replace, 0 when there must be none. `age`: of the value, in ms.
    func put(
        _ cache: CacheName, _ key: [UInt8], _ value: [UInt8], _ lifetime: Lifetime, onlyIfVersion: Int64? = nil, age: Int64 = 0
    ) throws -> Entry {
        let old = try standing(cache, key)
        if let onlyIfVersion {
            let current = old.flatMap { $0.isAlive(cache, now: transaction.now) ? $0.seal.version : nil }
            guard onlyIfVersion == current ?? 0 else { throw CacheError.versionChanged(current: current) }
        }
        let begin = transaction.now - age
        let entry = Entry(value: value, version: transaction.nextVersion(), storedAt: begin, expiresAt: lifetime.end(from: begin))
        try replace(cache, key, entry, over: old)
        return entry
    }

    /// What was fetched before now; nil: there is a row as new as that, or its time is over.
    func putLate(_ cache: CacheName, _ key: [UInt8], _ entry: Entry) throws -> Entry? {
        guard cache.keepsDueRows || entry.expiresAt > transaction.now else { return nil }
        let old = try standing(cache, key)
        if let old, !old.isCleared, old.seal.storedAt >= entry.storedAt { return nil }
        var entry = entry
        entry.version = transaction.nextVersion()
        try replace(cache, key, entry, over: old)
        return entry
    }

    private func replace(_ cache: CacheName, _ key: [UInt8], _ entry: Entry, over old: Standing?) throws {
        try write(cache, key, entry, over: old)
        let counted = old.flatMap { $0.isCounted ? $0 : nil }
        transaction.note(
            cache, key, rows: counted == nil ? 1 : 0,
            bytes: Int64(key.count + entry.value.count) - (counted?.bytes ?? 0), isWrite: true)
    }

    private func write(_ cache: CacheName, _ key: [UInt8], _ entry: Entry, over old: Standing?) throws {
        guard let old else {
            return try db.cachedStatement(
                sql: """
                    INSERT INTO entries (cache, key, version, stored_at, expires_at, value) VALUES (?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                cache.number, Data(key), entry.version, entry.storedAt, entry.expiresAt, Data(entry.value),
            ])
        }
        try db.cachedStatement(
            sql: """
                UPDATE entries SET version = ?, stored_at = ?, expires_at = ?, value = ? WHERE id = ?
                """
        ).execute(arguments: [entry.version, entry.storedAt, entry.expiresAt, Data(entry.value), old.id])
        if cache.keepsDueRows { try moveDue(old.id, to: entry.expiresAt) }
    }

    /// Removes the row, or makes it due where rows are kept. Answers whether there was an entry.
    func delete(_ cache: CacheName, _ key: [UInt8]) throws -> Bool {
        guard let old = try standing(cache, key) else { return false }
        let wasAlive = old.isAlive(cache, now: transaction.now)
        if cache.keepsDueRows {
            try setEnd(old.id, cache, min(old.seal.expiresAt, transaction.now))
        } else {
            try remove(old, cache, key)
        }
        return wasAlive
    }

    /// Removes the row, also where rows are kept. Answers whether there was one.
    func evict(_ cache: CacheName, _ key: [UInt8]) throws -> Bool {
        guard let old = try standing(cache, key) else { return false }
        try remove(old, cache, key)
        return true
    }

    /// Adds to a whole number, whose end stays what it is. Where there is none, or only one that is over or due, it begins at 0.
    /// - Throws: `CacheError.notAWholeNumber`, also for a sum that is none.
    func increment(_ cache: CacheName, _ key: [UInt8], by amount: Int64, _ lifetime: Lifetime) throws -> (entry: Entry, number: Int64) {
        let old = try standing(cache, key, value: true)
        let present = old.flatMap { !$0.isCleared && $0.seal.expiresAt > transaction.now ? $0 : nil }
        let number = try present.map { try Self.number($0.value ?? []) } ?? 0
        let (sum, overflow) = number.addingReportingOverflow(amount)
        guard !overflow else { throw CacheError.notAWholeNumber }
        let entry = Entry(
            value: Array(String(sum).utf8), version: transaction.nextVersion(), storedAt: transaction.now,
            expiresAt: present?.seal.expiresAt ?? lifetime.end(from: transaction.now))
        try replace(cache, key, entry, over: old)
        return (entry, sum)
    }

    /// Digits as they are written here: what else a reader of numbers might take is none.
    private static func number(_ value: [UInt8]) throws -> Int64 {
        guard value.count <= 20, let text = String(validating: value, as: UTF8.self), let number = Int64(text), String(number) == text
        else {
            throw CacheError.notAWholeNumber
        }
        return number
    }

    /// Gives an entry another end. Answers whether there was one; one that is due is none.
    func expire(_ cache: CacheName, _ key: [UInt8], at end: Int64) throws -> Bool {
        guard let old = try standing(cache, key), !old.isCleared, old.seal.expiresAt > transaction.now else { return false }
        try setEnd(old.id, cache, end)
        return true
    }

    /// With a version of its own: a copy with the old end is no longer the row's.
    private func setEnd(_ id: Int64, _ cache: CacheName, _ end: Int64) throws {
        try db.cachedStatement(sql: "UPDATE entries SET version = ?, expires_at = ? WHERE id = ?")
            .execute(arguments: [transaction.nextVersion(), end, id])
        if cache.keepsDueRows { try moveDue(id, to: end) }
    }

    private func moveDue(_ id: Int64, to end: Int64) throws {
        try db.cachedStatement(sql: "UPDATE uses SET expires_at = ? WHERE id = ?").execute(arguments: [end, id])
    }

    func remove(_ old: Standing, _ cache: CacheName, _ key: [UInt8]) throws {
        try db.cachedStatement(sql: "DELETE FROM entries WHERE id = ?").execute(arguments: [old.id])
        if old.isCounted { transaction.note(cache, key, rows: -1, bytes: -old.bytes, isWrite: false) }
    }

    /// Notes that a record of `spotify` was asked for at `instant`, unless a use is noted that is `tolerance` older at most. What is `apart`
    /// from the beginning of the last occasion, at least, is another one.
    func touch(_ row: Int64, at instant: Int64, tolerance: Int64, apart: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO uses (id, used_at, expires_at, occasion_at)
                SELECT id, :now, expires_at, :now FROM entries WHERE id = :row AND cache = :cache
                ON CONFLICT (id) DO UPDATE SET used_at = :now,
                    used_before = CASE WHEN occasion_at <= :now - :apart THEN occasion_at ELSE used_before END,
                    occasion_at = CASE WHEN occasion_at <= :now - :apart THEN :now ELSE occasion_at END
                WHERE used_at < :now - :tolerance
                """
        ).execute(
            arguments: ["now": instant, "row": row, "cache": CacheName.spotify.number, "apart": apart, "tolerance": tolerance])
    }
}

/// What one transaction adds up: the versions it gives out, and how the counts change. Written once, at its end, so that
/// counts are exact and nobody ever scans for them.
final class WriteTransaction {
    let now: Int64
    let times: RowTimes
    /// Whether what has expired by the clock may be removed.
    let isClockSettled: Bool
    /// The file's own number.
    let epoch: Int64
    private var counter: Int64
    private var changes: [Account: Change] = [:]

    private struct Account: Hashable {
        var cache: CacheName
        var namespace: [UInt8]
    }
    private struct Change {
        var rows: Int64 = 0
        var bytes: Int64 = 0
        var isWrite = false
    }

    /// Brings the file's times into line with a clock that was set, before anything is written.
    init(_ db: Database, _ reading: ClockReading) throws {
        now = reading.wall
        let state = try Row.fetchOne(db.cachedStatement(sql: "SELECT counter, epoch, \(RowTimes.columns) FROM state"))
        counter = state?[0] ?? 0
        epoch = state?[1] ?? 0
        let kept = RowTimes(
            setting: ClockSetting(bootID: state?[2] ?? "", offset: state?[3] ?? 0, since: state?[4] ?? 0), firstVersion: state?[5] ?? 0)
        times = try kept.settle(db, reading, lastVersion: counter)
        isClockSettled = times.setting.isSettled(at: reading)
    }

    func nextVersion() -> Int64 {
        counter = EntryVersion.next(after: counter, now: now, random: .random(in: .min ... .max))
        return counter
    }

    /// `isWrite`: a value was written, so the namespace was updated now.
    func note(_ cache: CacheName, _ key: [UInt8], rows: Int64, bytes: Int64, isWrite: Bool) {
        var change = changes[Account(cache: cache, namespace: Namespace.of(key)), default: Change()]
        change.rows += rows
        change.bytes += bytes
        change.isWrite = change.isWrite || isWrite
        changes[Account(cache: cache, namespace: Namespace.of(key))] = change
    }

    func settle(_ db: Database) throws {
        try db.cachedStatement(sql: "UPDATE state SET counter = ?1 WHERE counter <> ?1").execute(arguments: [counter])
        let total = try db.cachedStatement(
            sql: """
                UPDATE totals SET rows = rows + ?, bytes = bytes + ?, written_at = max(written_at, ?) WHERE cache = ?
                """)
        let namespace = try db.cachedStatement(
            sql: """
                INSERT INTO namespaces (cache, name, rows, bytes, written_at) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (cache, name) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes,
                    written_at = max(written_at, excluded.written_at)
                """)
        let emptied = try db.cachedStatement(sql: "DELETE FROM namespaces WHERE cache = ? AND name = ? AND rows <= 0")
        for (account, change) in changes {
            let (cache, name) = (account.cache.number, Data(account.namespace))
            let writtenAt = change.isWrite ? now : 0
            try total.execute(arguments: [change.rows, change.bytes, writtenAt, cache])
            try namespace.execute(arguments: [cache, name, change.rows, change.bytes, writtenAt])
            if change.rows < 0 { try emptied.execute(arguments: [cache, name]) }
        }
    }
}
