/// What the caches tell DragonflyDB: it is told after the record, and nothing depends on its hearing it.
extension Caches {
    /// A copy of what was read from the record; `era` as it stood before that. Whether the store takes it matters only
    /// where a copy is served unasked: there the row is looked at once more, since a reader that was stopped between
    /// reading and filling may have missed a newer write whose copy the store has evicted since.
    func fill(_ cache: CacheName, _ key: [UInt8], _ entry: Entry, era: UInt64) {
        guard let store, let offer = offer(store, cache, key, entry, era: era) else { return }
        guard cache == .spotify else {
            store.set([offer])
            return
        }
        guard store.offer([offer]) == .taken, page.isShared else { return }
        if let seal = try? record.seal(cache, key), seal == entry.seal { return }
        if !removeCopies(cache, [key]) { page.raiseEra() }
    }

    /// Copies of what was written; `era` as it stood before the transaction.
    func publish(_ cache: CacheName, _ written: [(key: [UInt8], entry: Entry)], era: UInt64) {
        // Last: until the older copy is gone, a reader may still find it and put it into memory.
        defer { if cache == .spotify { written.forEach { forget($0.key) } } }
        guard let store else { return }
        for batch in batches(written) {
            let offers = batch.compactMap { offer(store, cache, $0.key, $0.entry, era: era) }
            if cache != .spotify {
                store.set(offers)
            } else if store.offer(offers) != .taken, !removeCopies(cache, batch.map(\.key)) {
                page.raiseEra()
            }
        }
    }

    /// No copy of what was deleted or has another end now.
    func withdraw(_ cache: CacheName, _ key: [UInt8]) {
        let isGone = removeCopies(cache, [key])
        guard cache == .spotify else { return }
        if !isGone { page.raiseEra() }
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
        page.raiseMark(key.hash)
        memory.remove(key)
    }

    private func offer(
        _ store: DragonflyStore, _ cache: CacheName, _ key: [UInt8], _ entry: Entry, era: UInt64
    ) -> Offer? {
        let milliseconds = CopyLifetime.milliseconds(
            cache, expiresAt: entry.expiresAt, now: clock.now, standard: configuration.ttl[cache])
        return milliseconds.map {
            Offer(
                key: store.key(cache, key), copy: Copy(entry: entry, epoch: record.epoch, era: era), milliseconds: $0)
        }
    }

    /// Short pipelines: at most 32 keys, and about 1 MiB, at a time.
    private func batches(_ written: [(key: [UInt8], entry: Entry)]) -> [[(key: [UInt8], entry: Entry)]] {
        var batches: [[(key: [UInt8], entry: Entry)]] = []
        var bytes = 0
        for each in written {
            if batches.isEmpty || batches[batches.count - 1].count == 32 || bytes > 1 << 20 {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(each)
            bytes += each.entry.value.count
        }
        return batches
    }
}
