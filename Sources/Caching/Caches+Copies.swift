/// What the caches tell DragonflyDB: it is told after the record, and nothing depends on its hearing it.
extension Caches {
    /// A copy of what was read from the record; `copyEpoch` as it stood before that.
    /// - Parameter waits: false: the filler's thread tells the store, soon.
    func fill(_ cache: CacheName, _ key: [UInt8], _ entry: Entry, copyEpoch: UInt64, waits: Bool) {
        if cache == .spotify {
            let item = Backfill.Item(key: key, entry: entry, copyEpoch: copyEpoch)
            if waits { fill([item]) } else { backfill?.add(item) { [weak self] in self?.fill($0) } }
        } else if let store, let offer = offer(store, cache, key, entry, copyEpoch: copyEpoch) {
            store.set([offer])
        }
    }

    /// Whether the store takes copies matters only where they are served unasked: there the row is looked at once more, since a
    /// reader that was stopped between reading and filling may have missed a newer write whose copy the store has evicted since.
    private func fill(_ items: [Backfill.Item]) {
        guard let store else { return }
        for batch in batches(items, bytes: \.entry.value.count) {
            let offers = batch.compactMap { offer(store, .spotify, $0.key, $0.entry, copyEpoch: $0.copyEpoch) }
            guard !offers.isEmpty, store.offer(offers) == .taken, shared.isShared else { continue }
            for item in batch {
                if let seal = try? record.seal(.spotify, item.key), seal == item.entry.seal { continue }
                if !removeCopies(.spotify, [item.key]) { shared.raiseCopyEpoch() }
            }
        }
    }

    /// Copies of what was written; `copyEpoch` as it stood before the transaction.
    func publish(_ cache: CacheName, _ written: [(key: [UInt8], entry: Entry)], copyEpoch: UInt64) {
        // Last: until the older copy is gone, a reader may still find it and put it into memory.
        defer { if cache == .spotify { written.forEach { forget($0.key) } } }
        guard let store else { return }
        for batch in batches(written, bytes: \.entry.value.count) {
            let offers = batch.compactMap { offer(store, cache, $0.key, $0.entry, copyEpoch: copyEpoch) }
            if cache != .spotify {
                store.set(offers)
            } else if store.offer(offers) != .taken, !removeCopies(cache, batch.map(\.key)) {
                shared.raiseCopyEpoch()
            }
        }
    }

    /// No copy of what was deleted or has another end now.
    func withdraw(_ cache: CacheName, _ key: [UInt8]) {
        let isGone = removeCopies(cache, [key])
        guard cache == .spotify else { return }
        if !isGone { shared.raiseCopyEpoch() }
        forget(key)
    }

    /// true: they are certainly gone, or there is no store.
    func removeCopies(_ cache: CacheName, _ keys: [[UInt8]]) -> Bool {
        guard let store else { return true }
        return store.remove(keys.map { store.key(cache, $0) })
    }

    /// No worker serves the key from memory any more.
    private func forget(_ bytes: [UInt8]) {
        let key = memory.key(bytes)
        shared.countInvalidation(key.hash)
        memory.remove(key)
    }

    private func offer(
        _ store: DragonflyStore, _ cache: CacheName, _ key: [UInt8], _ entry: Entry, copyEpoch: UInt64
    ) -> CopyOffer? {
        let milliseconds = CopyLifetime.milliseconds(
            cache, expiresAt: entry.expiresAt, now: clock.now, standard: configuration.ttl[cache])
        return milliseconds.map {
            CopyOffer(
                key: store.key(cache, key), copy: StoredCopy(entry: entry, epoch: record.epoch, copyEpoch: copyEpoch), milliseconds: $0)
        }
    }

    /// Short pipelines: at most 32 keys, and about 1 MiB, at a time.
    private func batches<Item>(_ items: [Item], bytes size: (Item) -> Int) -> [[Item]] {
        var batches: [[Item]] = []
        var bytes = 0
        for item in items {
            if batches.isEmpty || batches[batches.count - 1].count == 32 || bytes > 1 << 20 {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(item)
            bytes += size(item)
        }
        return batches
    }
}

/// Whether and for how long a copy may be kept in DragonflyDB.
enum CopyLifetime {
    /// DragonflyDB caps an expiry at 2^28 - 1 seconds (its documentation of EXPIRE).
    static let longest: Int64 = ((1 << 28) - 1) * 1000

    /// Milliseconds for PX, or nil when there is nothing to keep. What never expires, and a record that is due and is
    /// served stale, are kept for the cache's default.
    static func milliseconds(_ cache: CacheName, expiresAt: Int64, now: Int64, standard: Duration) -> Int64? {
        let whole = max(1, min(standard.wholeMilliseconds, longest))
        if expiresAt == .max { return whole }
        if expiresAt > now { return min(expiresAt - now, longest) }
        return cache.keepsDueRows ? whole : nil
    }
}
