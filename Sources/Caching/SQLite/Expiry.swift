import Foundation
import GRDB

/// Clearing in an instant, whatever the number of rows: a clearing is one row that covers every older entry with its
/// prefix. Readers apply it; the purge carries it out in small steps and then takes it away.
extension RowWriter {
    /// Answers how many entries went (or became due).
    func clear(_ cache: CacheName, prefix: [UInt8]) throws -> Int {
        if cache.keepsDueRows {
            let count = try count(cache, prefix: prefix)
            try cover(cache, prefix)
            return count
        }
        guard prefix.isEmpty || Namespace.named(by: prefix) != nil else { return try removeAll(cache, prefix) }
        let count = try count(cache, prefix: prefix)
        try cover(cache, prefix)
        try strike(cache, prefix)
        return count
    }

    private func cover(_ cache: CacheName, _ prefix: [UInt8]) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO clearings (cache, prefix, version) VALUES (?, ?, ?)",
            arguments: [cache.number, Data(prefix), ledger.nextVersion()])
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

    /// A prefix that is no namespace: its counts are not known beforehand, so its rows go one by one.
    private func removeAll(_ cache: CacheName, _ prefix: [UInt8]) throws -> Int {
        var removed = 0
        let keys = try Data.fetchAll(
            db, sql: "SELECT key FROM entries WHERE \(KeyRange.condition(prefix))",
            arguments: KeyRange.arguments(cache, prefix))
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
}

/// The keys of a cache that begin with a prefix, as a range of the index on (cache, key).
enum KeyRange {
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
    var databaseValue: DatabaseValue {
        switch self {
        case .integer(let value): value.databaseValue
        case .bytes(let bytes): Data(bytes).databaseValue
        }
    }
}
