/// What the dashboard, the command line and the renewal ask: from kept counts and indexes, never by scanning.
extension Caches {
    /// How many entries a cache has, those included whose time has passed and that the purge has not reached.
    /// 0 when the record cannot be read.
    public func count(_ cache: CacheName) -> Int { (try? record.count(cache, prefix: [])) ?? 0 }

    /// How many keys begin with `prefix`: kept for a namespace (`name/`), else counted along the index.
    public func count(_ cache: CacheName, prefix: [UInt8]) throws(CacheError) -> Int {
        try record.count(cache, prefix: prefix)
    }

    /// Records of `spotify` that are due before `before` (wall-clock milliseconds) and were used at or after
    /// `usedSince` (0: whether used or not), the longest due first.
    public func due(
        before: Int64, usedSince: Int64, prefix: [UInt8] = [], limit: Int
    ) throws(CacheError) -> [(key: [UInt8], expiresAt: Int64)] {
        try record.due(before: before, usedSince: usedSince, prefix: prefix, limit: limit)
    }

    /// One small step of purge and checkpoint, when this process is the one that does it. About once a second, from a
    /// thread that may block.
    public func maintain() throws(CacheError) {
        try record.lookAgain()
        memory.purge(now: clock.monotonic)
    }

    /// Empties DragonflyDB of the copies, in the background.
    public func clearCopies() throws(CacheError) {
        guard let store else { return }
        for cache in CacheName.allCases { store.sweep(cache, prefix: []) }
    }
}
