extension CacheDatabase {
    /// The entry as the record has it: nil when there is none, or a clearing covers it. Its end is the caller's to compare.
    func find(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Entry? {
        let now = clock.now
        return try read { reader throws(SQLiteFailure) in
            try reader.row(cache, key, value: true, now: now).map { row in
                Entry(
                    value: row.value, version: row.seal.version, storedAt: row.seal.storedAt,
                    expiresAt: row.seal.expiresAt)
            }
        }
    }

    /// The same without its value, for comparing a copy with.
    func seal(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Seal? {
        let now = clock.now
        return try read { reader throws(SQLiteFailure) in
            try reader.row(cache, key, value: false, now: now)?.seal
        }
    }

    func count(_ cache: CacheName, prefix: [UInt8]) throws(CacheError) -> Int {
        let (sql, arguments) = Counting.statement(cache, prefix)
        return try read { reader throws(SQLiteFailure) in Int(try reader.number(sql, arguments)) }
    }

    func count(_ cache: CacheName, expiringBefore instant: Int64) throws(CacheError) -> Int {
        try read { reader throws(SQLiteFailure) in
            Int(
                try reader.number(
                    "SELECT count(*) FROM entries INDEXED BY entries_expiry WHERE cache = ? AND expires_at < ?",
                    [.integer(cache.number), .integer(instant)]))
        }
    }

    /// Records of `spotify` that are due before `before` and were used at or after `usedSince`, the longest due first.
    /// `usedSince` 0: also those that were never used.
    func due(before: Int64, usedSince: Int64, prefix: [UInt8], limit: Int) throws(CacheError) -> [(key: [UInt8], expiresAt: Int64)] {
        let end = Namespace.end(of: prefix)
        let range = end == nil ? "e.key >= ?2" : "e.key >= ?2 AND e.key < ?3"
        let sql =
            usedSince > 0
            ? """
            SELECT e.key, u.expires_at FROM uses u INDEXED BY uses_due CROSS JOIN entries e ON e.id = u.id
            WHERE u.expires_at < ?4 AND u.used_at >= ?5 AND e.cache = ?1 AND \(range)
            ORDER BY u.expires_at LIMIT ?6
            """
            : """
            SELECT e.key, e.expires_at FROM entries e INDEXED BY entries_expiry
            WHERE e.cache = ?1 AND e.expires_at < ?4 AND ?5 <= 0 AND \(range)
            ORDER BY e.expires_at LIMIT ?6
            """
        let arguments: [Argument] = [
            .integer(CacheName.spotify.number), .bytes(prefix), .bytes(end ?? []), .integer(before), .integer(usedSince),
            .integer(Int64(limit)),
        ]
        return try read { reader throws(SQLiteFailure) in
            var due: [(key: [UInt8], expiresAt: Int64)] = []
            try reader.query(sql, arguments) { columns in due.append((columns.bytes(0), columns.integer(1))) }
            return due
        }
    }

    func totals() throws(CacheError) -> [CacheName: NamespaceStatistics] {
        try read { reader throws(SQLiteFailure) in
            var totals: [CacheName: NamespaceStatistics] = [:]
            try reader.query("SELECT cache, rows, bytes, written_at FROM totals") { columns in
                let cache = CacheName.allCases.first { $0.number == columns.integer(0) }
                if let cache { totals[cache] = Self.figures([], columns) }
            }
            return totals
        }
    }

    func namespaces(_ cache: CacheName, limit: Int) throws(CacheError) -> [NamespaceStatistics] {
        let sql = "SELECT name, rows, bytes, written_at FROM namespaces WHERE cache = ? ORDER BY rows DESC, name LIMIT ?"
        return try read { reader throws(SQLiteFailure) in
            var namespaces: [NamespaceStatistics] = []
            try reader.query(sql, [.integer(cache.number), .integer(Int64(limit))]) { columns in
                namespaces.append(Self.figures(columns.bytes(0), columns))
            }
            return namespaces
        }
    }

    private static func figures(_ name: [UInt8], _ columns: RowColumns) -> NamespaceStatistics {
        let writtenAt = columns.integer(3)
        return NamespaceStatistics(
            name: name, entries: Int(columns.integer(1)), bytes: columns.integer(2),
            lastUpdated: writtenAt > 0 ? writtenAt : nil)
    }
}
