/// What the dashboard, the command line and the renewal ask: from kept counts and indexes, never by scanning.
extension Caches {
    /// How many entries a cache has, those included whose time has passed and that the purge has not reached.
    /// 0 when the record cannot be read.
    public func count(_ cache: CacheName) -> Int { (try? record.count(cache, prefix: [])) ?? 0 }

    /// How many keys begin with `prefix`: kept for a namespace (`name/`), else counted along the index.
    public func count(_ cache: CacheName, prefix: [UInt8]) throws(CacheError) -> Int {
        try record.count(cache, prefix: prefix)
    }

    /// How many entries' time passes, or has passed, before `instant` (wall-clock milliseconds): counted along an index.
    public func count(_ cache: CacheName, expiringBefore instant: Int64) throws(CacheError) -> Int {
        try record.count(cache, expiringBefore: instant)
    }

    /// The largest namespaces of a cache.
    public func namespaces(_ cache: CacheName, limit: Int = 100) throws(CacheError) -> [NamespaceStatistics] {
        try record.namespaces(cache, limit: limit)
    }

    /// Records of `spotify` that are due before `before` (wall-clock milliseconds) and were used at or after
    /// `usedSince` (0: whether used or not; uses are remembered for a week), the longest due first.
    public func due(
        before: Int64, usedSince: Int64, prefix: [UInt8] = [], limit: Int
    ) throws(CacheError) -> [(key: [UInt8], expiresAt: Int64)] {
        try record.due(before: before, usedSince: usedSince, prefix: prefix, limit: limit)
    }

    /// Cheap enough to be polled: a few rows of SQLite, and counters.
    public func statistics() -> CacheStatistics {
        let sums = counters.flush(to: shared)
        let totals = (try? record.totals()) ?? [:]
        let services = CacheName.allCases.map { cache in
            CacheStatistics.Service(
                cache: cache, entries: totals[cache]?.entries ?? 0, bytes: totals[cache]?.bytes ?? 0,
                lastUpdated: totals[cache]?.lastUpdated, counters: sums[cache] ?? CacheCounters(),
                workerCounters: counters.counters(cache))
        }
        return CacheStatistics(
            services: services, memoryEntries: memory.count, memoryBytes: memory.bytes, store: store?.figures,
            writeRefusal: record.writeRefusal)
    }

    /// One PING to DragonflyDB, at most its timeout long; nil without DRAGONFLYDB_HOST.
    public func storeHealth() -> StoreHealth? { store?.health() }

    /// DragonflyDB's INFO, field by field, at most its timeout long; nil when it does not answer or there is none.
    public func storeInfo() -> [String: String]? { store?.info() }

    /// One small step of purge, checkpoint and check, when this process is the one that does it. About once a second,
    /// from a thread that may block. Throws what kept it from its work; call it again all the same.
    public func maintain() throws(CacheError) {
        memory.purge(now: clock.monotonic)
        counters.flush(to: shared)
        try record.lookAgain()
        try maintenance.step()
    }

    /// Empties DragonflyDB of the copies, in the background; what is cached is found in SQLite.
    public func clearCopies() throws(CacheError) {
        guard let store else { return }
        for cache in CacheName.allCases { store.sweep(cache, prefix: []) }
    }
}
