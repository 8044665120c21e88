import Foundation
import GRDB

/// What one transaction adds up: the versions it gives out, and how the counts change. Written once, at its end, so that
/// counts are exact and nobody ever scans for them.
final class Ledger {
    let now: Int64
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

    init(_ db: Database, now: Int64) throws {
        self.now = now
        let state = try Row.fetchOne(db.cachedStatement(sql: "SELECT counter, epoch FROM state"))
        counter = state?[0] ?? 0
        epoch = state?[1] ?? 0
    }

    func nextVersion() -> Int64 {
        counter = Version.next(after: counter, now: now, random: .random(in: .min ... .max))
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
