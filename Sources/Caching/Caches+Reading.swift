extension Caches {
    /// The entry under a key and the tier that had it. `spotify`: also when it is due, compare `expiresAt`. The others:
    /// nil when its time has passed.
    public func get(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Found? {
        try EntryLimits.check(key: key)
        let found = cache == .spotify ? try record(of: key) : try row(cache, key)
        counters.note(cache, found?.tier)
        return found
    }

    private func record(of bytes: [UInt8]) throws(CacheError) -> Found? {
        let key = memory.key(bytes)
        let monotonic = clock.monotonic
        if let entry = memory.find(key, now: monotonic) { return Found(entry: entry, tier: .memory) }
        let invalidations = shared.invalidations(key.hash)
        guard let found = try recordBelow(bytes) else { return nil }
        memory.offer(key, found.entry, invalidations: invalidations, now: monotonic)
        return found
    }

    private func recordBelow(_ key: [UInt8]) throws(CacheError) -> Found? {
        guard let store, let look = store.get(.spotify, key) else { return try fromRecord(.spotify, key) }
        return try judge(look, .spotify, key)
    }

    /// Has the store's channels watched, so that `ask` can be used.
    public func attach(_ watcher: any DescriptorWatcher) { store?.attach(watcher) }

    /// Whether there is a store that `ask` may reach.
    public var mayAsk: Bool { store?.isAnswering ?? false }

    /// The entry of `spotify` under a key, when this worker's memory has it.
    public func remembered(_ key: [UInt8]) -> Found? {
        guard let entry = memory.find(memory.key(key), now: clock.monotonic) else { return nil }
        counters.note(.spotify, .memory)
        return Found(entry: entry, tier: .memory)
    }

    /// Asks for an entry of `spotify` that memory does not have, without waiting for the store.
    /// - Parameter then: called once, on a thread of the watcher's, with what `get` would have answered. Only when it is `asked`.
    public func ask(for bytes: [UInt8], then: @escaping @Sendable (Result<Found?, CacheError>) -> Void) -> Asking {
        guard let store, store.isAnswering, bytes.count <= EntryLimits.keyBytes else { return .impossible }
        let key = memory.key(bytes)
        let invalidations = shared.invalidations(key.hash)
        return store.ask(.spotify, bytes) { [self] look in
            do throws(CacheError) {
                let found = if let look { try judge(look, .spotify, bytes, waits: false) } else { try fromRecord(.spotify, bytes) }
                if let found { memory.offer(key, found.entry, invalidations: invalidations, now: clock.monotonic) }
                counters.note(.spotify, found?.tier)
                then(.success(found))
            } catch {
                then(.failure(error))
            }
        }
    }

    /// The entry of `spotify` under a key as SQLite has it, whatever the store does.
    public func kept(_ key: [UInt8]) throws(CacheError) -> Found? {
        let found = try fromRecord(.spotify, key)
        counters.note(.spotify, found?.tier)
        return found
    }

    /// The entry of `spotify` under a key as SQLite has it, neither counted nor put into memory: for who looks over many.
    public func glance(_ key: [UInt8]) throws(CacheError) -> Entry? { try record.find(.spotify, key) }

    /// SQLite is asked first for which write is the last: no row means no value, whatever the store has.
    private func row(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Found? {
        guard let store, store.isAnswering else { return try fromRecord(cache, key) }
        guard let seal = try record.seal(cache, key) else { return nil }
        let end = try record.end(of: seal, cache, key)
        guard end > clock.now else { return nil }
        guard let look = store.get(cache, key) else { return try fromRecord(cache, key) }
        if let copy = look.copy, copy.epoch == record.epoch, copy.entry.seal == seal {
            return Found(entry: copy.entry.ending(at: end), tier: .dragonfly)
        }
        return try mended(look, cache, key)
    }

    func fromRecord(_ cache: CacheName, _ key: [UInt8]) throws(CacheError) -> Found? {
        guard let entry = try record.find(cache, key) else { return nil }
        if cache.keepsDueRows { return Found(entry: entry, tier: .sqlite) }
        let end = try record.end(of: entry.seal, cache, key)
        return end > clock.now ? Found(entry: entry.ending(at: end), tier: .sqlite) : nil
    }

    /// So many keys are asked for in one exchange with the store.
    static let pipeline = 64

    /// Several keys at once; the answers are in the order of the keys.
    public func get(_ cache: CacheName, _ keys: [[UInt8]]) throws(CacheError) -> [Found?] {
        guard let store, store.isAnswering, keys.count > 1 else { return try oneByOne(cache, keys) }
        for key in keys { try EntryLimits.check(key: key) }
        var found = [Found?](repeating: nil, count: keys.count)
        var asked: [Int] = []
        var invalidations: [UInt32] = []
        for index in keys.indices {
            if cache == .spotify {
                let key = memory.key(keys[index])
                invalidations.append(shared.invalidations(key.hash))
                found[index] = memory.find(key, now: clock.monotonic).map { Found(entry: $0, tier: .memory) }
            }
            if found[index] == nil { asked.append(index) }
        }
        for start in stride(from: 0, to: asked.count, by: Self.pipeline) {
            try ask(store, cache, keys, Array(asked[start..<min(start + Self.pipeline, asked.count)]), &found)
        }
        if cache == .spotify {
            for index in asked {
                guard let entry = found[index]?.entry else { continue }
                memory.offer(memory.key(keys[index]), entry, invalidations: invalidations[index], now: clock.monotonic)
            }
        }
        for each in found { counters.note(cache, each?.tier) }
        return found
    }

    private func oneByOne(_ cache: CacheName, _ keys: [[UInt8]]) throws(CacheError) -> [Found?] {
        var found: [Found?] = []
        found.reserveCapacity(keys.count)
        for key in keys { found.append(try get(cache, key)) }
        return found
    }

    private func ask(
        _ store: DragonflyStore, _ cache: CacheName, _ keys: [[UInt8]], _ indices: [Int], _ found: inout [Found?]
    ) throws(CacheError) {
        let looks = store.get(cache, indices.map { keys[$0] })
        for (place, index) in indices.enumerated() {
            found[index] =
                if let look = looks?[place] {
                    try judge(look, cache, keys[index])
                } else {
                    try fromRecord(cache, keys[index])
                }
        }
    }
}
