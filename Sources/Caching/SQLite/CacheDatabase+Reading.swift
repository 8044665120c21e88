import Platform
import Synchronization

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

    /// When an entry ends by the wall clock as it is set now. Costs nothing but a reading of the clocks while nobody sets them.
    func end(of seal: Seal, _ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Int64 {
        let reading = clock.reading()
        if let known = rowTimes.withLock({ $0 }), known.setting.change(at: reading) == .none { return seal.expiresAt }
        // Row and clock in one statement: a writer may be moving both.
        let sql = "SELECT \(RowTimes.columns), e.version, e.expires_at FROM state, entries e WHERE e.cache = ? AND e.key = ?"
        var found: (times: RowTimes, version: Int64, end: Int64)?
        try read { reader throws(SQLiteFailure) in
            try reader.query(sql, [.integer(cache.number), .bytes(key)]) { columns in
                let setting = ClockSetting(
                    bootID: String(decoding: columns.bytes(0), as: UTF8.self), offset: columns.integer(1), since: columns.integer(2))
                found = (RowTimes(setting: setting, firstVersion: columns.integer(3)), columns.integer(4), columns.integer(5))
            }
        }
        guard let found else { return seal.expiresAt }
        rowTimes.withLock { $0 = found.times }
        guard found.version == seal.version, found.end < RowTimes.farthest else { return seal.expiresAt }
        return found.end + found.times.shift(of: found.version, at: reading)
    }

    /// Moves the ends of this boot's rows along with a clock that was set, if it was, although nobody writes.
    func settleClock() throws(CacheError) {
        let reading = clock.reading()
        if let known = rowTimes.withLock({ $0 }), known.setting.change(at: reading) == .none { return }
        let present = try write { $0.transaction.times }
        rowTimes.withLock { $0 = present }
    }

    /// Whether what has expired by the clock may be removed, as far as this process knows.
    var isClockSettled: Bool {
        let reading = clock.reading()
        return rowTimes.withLock { $0?.setting.isSettled(at: reading) } ?? false
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

    /// Beyond a page's keys, so many rows are looked at that nobody shall see any more.
    private static let mostPassedOver = 3000

    func keys(_ cache: CacheName, prefix: [UInt8], after: [UInt8]?, limit: Int) throws(CacheError) -> KeyPage {
        let reading = clock.reading()
        return try read { reader throws(SQLiteFailure) in
            var page = KeyPage()
            var start = prefix
            // The least key after it.
            if let after, !after.lexicographicallyPrecedes(prefix) { start = after + [0] }
            var left = limit + Self.mostPassedOver
            while left > 0 {
                let (rows, times) = try Self.keyRows(reader, cache, from: start, before: Namespace.end(of: prefix), limit: limit + 1)
                for row in rows {
                    if page.keys.count == limit { return page }
                    page.next = row.key
                    if let end = row.end(cache, times, at: reading) { page.keys.append(KeyPage.Key(key: row.key, expiresAt: end)) }
                }
                guard rows.count > limit, let last = rows.last else { break }
                start = last.key + [0]
                left -= rows.count
                if left <= 0 { return page }
            }
            page.next = nil
            return page
        }
    }

    /// A row of the list, and what hides it or moves its end.
    private struct KeyRow {
        var key: [UInt8]
        var version: Int64
        var expiresAt: Int64
        var cleared: Int64

        /// nil: nobody finds it any more.
        func end(_ cache: CacheName, _ times: RowTimes?, at reading: ClockReading) -> Int64? {
            let isCleared = cleared >= version
            if cache.keepsDueRows { return isCleared ? min(expiresAt, EntryVersion.instant(of: cleared), reading.wall) : expiresAt }
            let shift = expiresAt < RowTimes.farthest ? times?.shift(of: version, at: reading) ?? 0 : 0
            return isCleared || expiresAt + shift <= reading.wall ? nil : expiresAt + shift
        }
    }

    private static func keyRows(
        _ reader: EntryReader, _ cache: CacheName, from start: [UInt8], before end: [UInt8]?, limit: Int
    ) throws(SQLiteFailure) -> (rows: [KeyRow], times: RowTimes?) {
        // Rows and clock in one statement: a writer may be moving both.
        let sql = """
            SELECT e.key, e.version, e.expires_at,
                (SELECT max(c.version) FROM clearings c WHERE c.cache = e.cache AND substr(e.key, 1, length(c.prefix)) = c.prefix),
                \(RowTimes.columns)
            FROM entries e INDEXED BY entries_key CROSS JOIN state
            WHERE e.cache = ?1 AND e.key >= ?2 \(end == nil ? "" : "AND e.key < ?4") ORDER BY e.key LIMIT ?3
            """
        var rows: [KeyRow] = []
        var times: RowTimes?
        rows.reserveCapacity(limit)
        let arguments: [Argument] = [.integer(cache.number), .bytes(start), .integer(Int64(limit))] + (end.map { [.bytes($0)] } ?? [])
        try reader.query(sql, arguments) { columns in
            if times == nil {
                let setting = ClockSetting(
                    bootID: String(decoding: columns.bytes(4), as: UTF8.self), offset: columns.integer(5), since: columns.integer(6))
                times = RowTimes(setting: setting, firstVersion: columns.integer(7))
            }
            rows.append(
                KeyRow(key: columns.bytes(0), version: columns.integer(1), expiresAt: columns.integer(2), cleared: columns.integer(3)))
        }
        return (rows, times)
    }

    /// Records of `spotify` that are due before `before` and were used at or after `usedSince`, the longest due first.
    /// `usedSince` 0: also those that were never used.
    func due(
        before: Int64, usedSince: Int64, twiceSince: Int64 = .min, prefix: [UInt8], limit: Int
    ) throws(CacheError) -> [(key: [UInt8], expiresAt: Int64, usedAt: Int64)] {
        let end = Namespace.end(of: prefix)
        let range = end == nil ? "e.key >= ?2" : "e.key >= ?2 AND e.key < ?3"
        let sql =
            usedSince > 0
            ? """
            SELECT e.key, u.expires_at, u.used_at FROM uses u INDEXED BY uses_due CROSS JOIN entries e ON e.id = u.id
            WHERE u.expires_at < ?4 AND u.used_at >= ?5 AND u.used_before >= ?7 AND e.cache = ?1 AND \(range)
            ORDER BY u.expires_at LIMIT ?6
            """
            : """
            SELECT e.key, e.expires_at, 0 FROM entries e INDEXED BY entries_expiry
            WHERE e.cache = ?1 AND e.expires_at < ?4 AND ?5 <= 0 AND ?7 <= 0 AND \(range)
            ORDER BY e.expires_at LIMIT ?6
            """
        let arguments: [Argument] = [
            .integer(CacheName.spotify.number), .bytes(prefix), .bytes(end ?? []), .integer(before), .integer(usedSince),
            .integer(Int64(limit)), .integer(twiceSince),
        ]
        return try read { reader throws(SQLiteFailure) in
            var due: [(key: [UInt8], expiresAt: Int64, usedAt: Int64)] = []
            try reader.query(sql, arguments) { columns in due.append((columns.bytes(0), columns.integer(1), columns.integer(2))) }
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
