extension Caches {
    /// The entry under a key and the tier that had it. `spotify`: also when it is due, compare `expiresAt`. The others:
    /// nil when its time has passed.
    public func get(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Found? {
        try Limits.check(key: key)
        return cache == .spotify ? try record(of: key) : try row(cache, key)
    }

    /// Several keys at once; the answers are in the order of the keys.
    public func get(_ cache: CacheName, _ keys: [[UInt8]]) throws(CacheError) -> [Found?] {
        var found: [Found?] = []
        for key in keys { found.append(try get(cache, key)) }
        return found
    }

    private func record(of bytes: [UInt8]) throws(CacheError) -> Found? {
        let key = memory.key(bytes)
        let monotonic = clock.monotonic
        if let entry = memory.find(key, now: monotonic) { return Found(entry: entry, tier: .memory) }
        let mark = record.page.mark(key.hash)
        guard let found = try row(.spotify, bytes) else { return nil }
        memory.put(key, found.entry, mark: mark, now: monotonic)
        return found
    }

    private func row(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Found? {
        guard let entry = try record.find(cache, key), cache.keepsDueRows || entry.expiresAt > clock.now else { return nil }
        return Found(entry: entry, tier: .sqlite)
    }
}
