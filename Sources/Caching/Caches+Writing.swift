import Glibc
import Platform

extension Caches {
    /// Writes a value: acknowledged when it is in `cache.db`, of a durable cache when it would outlive a power cut; with `waits: false` that is
    /// asked of `whenSettled`. `ttl` nil: the cache's default. `keep`: the row never expires (preferences). `onlyIfVersion`: the version that is
    /// to be replaced, 0 when there must be no entry; throws `.versionChanged` when it is another.
    @discardableResult
    public func put(
        _ cache: CacheName, _ key: [UInt8], _ value: [UInt8], ttl: Duration? = nil, keep: Bool = false,
        onlyIfVersion: Int64? = nil, waits: Bool = true
    ) throws(CacheError) -> Entry {
        try EntryLimits.check(key: key, value: value)
        let lifetime = lifetime(cache, ttl, keep: keep)
        let copyEpoch = shared.copyEpoch
        let entry = try record.write { writer in
            try writer.put(cache, key, value, lifetime, onlyIfVersion: onlyIfVersion)
        }
        publish(cache, [(key, entry)], copyEpoch: copyEpoch)
        if waits { try settle(cache) }
        return entry
    }

    /// Several values in one transaction: all or none. `age`: how old they are by now; their time is counted from then.
    @discardableResult
    public func put(
        _ cache: CacheName, _ writes: [(key: [UInt8], value: [UInt8], ttl: Duration?)], age: Duration = .zero
    ) throws(CacheError) -> [Entry] {
        for write in writes { try EntryLimits.check(key: write.key, value: write.value) }
        let copyEpoch = shared.copyEpoch
        let begin = clock.monotonic - age
        let entries = try record.write { writer in
            // Whoever had to wait for others to write has grown older meanwhile.
            let age = (clock.monotonic - begin).wholeMilliseconds
            return try writes.map { try writer.put(cache, $0.key, $0.value, lifetime(cache, $0.ttl), age: age) }
        }
        // Of a key that was written twice, the last copy is the record's.
        var last: [[UInt8]: Entry] = [:]
        for (write, entry) in zip(writes, entries) { last[write.key] = entry }
        publish(cache, last.map { (key: $0.key, entry: $0.value) }, copyEpoch: copyEpoch)
        try settle(cache)
        return entries
    }

    /// Writes what was fetched earlier and could not be written then, with the times it has, unless a row is as new. One transaction.
    public func putLate(_ cache: CacheName, _ items: [(key: [UInt8], entry: Entry)]) throws(CacheError) {
        for item in items { try EntryLimits.check(key: item.key, value: item.entry.value) }
        let copyEpoch = shared.copyEpoch
        let written = try record.write { writer in
            try items.compactMap { item in try writer.putLate(cache, item.key, item.entry).map { (key: item.key, entry: $0) } }
        }
        publish(cache, written, copyEpoch: copyEpoch)
        try settle(cache)
    }

    /// When a value would fall due, or be gone, whose time begins at `instant`: both in wall-clock milliseconds.
    public func end(of cache: CacheName, ttl: Duration?, from instant: Int64) -> Int64 { lifetime(cache, ttl).end(from: instant) }

    /// Finds out whether `cache.db` can be written, by writing what stands there.
    public func probeWriting() throws(CacheError) { try record.write { try $0.db.execute(sql: "UPDATE state SET counter = counter") } }

    /// Reads, changes and writes in one transaction, so that two workers cannot undo each other's change. `change` gets
    /// the entry (nil: none, or expired) and answers the new value; nil: nothing is written, and nil is answered. It runs
    /// while every other writer waits: no input or output in it.
    @discardableResult
    public func update(
        _ cache: CacheName, _ key: [UInt8], ttl: Duration? = nil, keep: Bool = false, waits: Bool = true, _ change: (Entry?) -> [UInt8]?
    ) throws(CacheError) -> Entry? {
        try EntryLimits.check(key: key)
        let lifetime = lifetime(cache, ttl, keep: keep)
        let copyEpoch = shared.copyEpoch
        let entry = try record.write { writer -> Entry? in
            guard let value = change(try writer.entry(cache, key)) else { return nil }
            try EntryLimits.check(key: key, value: value)
            return try writer.put(cache, key, value, lifetime)
        }
        if let entry { publish(cache, [(key, entry)], copyEpoch: copyEpoch) }
        if waits { try settle(cache) }
        return entry
    }

    /// Removes the entry; of `spotify`, makes it due, to be served stale. Answers whether there was one.
    @discardableResult
    public func delete(_ cache: CacheName, _ key: [UInt8], waits: Bool = true) throws(CacheError) -> Bool {
        try EntryLimits.check(key: key)
        let wasThere = try record.write { writer in try writer.delete(cache, key) }
        withdraw(cache, key)
        if waits { try settle(cache) }
        return wasThere
    }

    /// Adds to the whole number that an entry is, in digits, so that no two who add undo each other's. Its end stays; `ttl` (nil: the cache's
    /// default) is for a number that begins now, at 0: where there is no entry, or of `spotify` a due one. Answers the sum.
    /// - Throws: `.notAWholeNumber` when the entry or the sum is none, and nothing is changed.
    @discardableResult
    public func increment(
        _ cache: CacheName, _ key: [UInt8], by amount: Int64 = 1, ttl: Duration? = nil, waits: Bool = true
    ) throws(CacheError) -> Int64 {
        try EntryLimits.check(key: key)
        let lifetime = lifetime(cache, ttl)
        let copyEpoch = shared.copyEpoch
        let (entry, number) = try record.write { writer in try writer.increment(cache, key, by: amount, lifetime) }
        publish(cache, [(key, entry)], copyEpoch: copyEpoch)
        if waits { try settle(cache) }
        return number
    }

    /// Gives the entry another end: `length` from now (nil: the cache's default). Answers whether there was one; one of `spotify` that is due is none.
    @discardableResult
    public func expire(_ cache: CacheName, _ key: [UInt8], in length: Duration?, waits: Bool = true) throws(CacheError) -> Bool {
        try EntryLimits.check(key: key)
        let end = lifetime(cache, length).end(from: clock.now)
        let wasThere = try record.write { writer in try writer.expire(cache, key, at: end) }
        if wasThere { withdraw(cache, key) }
        if waits { try settle(cache) }
        return wasThere
    }

    /// Removes every entry whose key begins with `prefix`, at once whatever their number; of `spotify`, makes them due. The counts follow at
    /// once when the prefix is empty or a namespace, else with the purge when there are more than a thousand. Answers how many.
    @discardableResult
    public func clear(_ cache: CacheName, prefix: [UInt8] = [], waits: Bool = true) throws(CacheError) -> Int {
        try EntryLimits.check(key: prefix)
        let count = try record.write { writer in try writer.clear(cache, prefix: prefix) }
        if cache == .spotify {
            shared.raiseCopyEpoch()
            shared.invalidateAll()
        } else if count > 0 {
            store?.sweep(cache, prefix: prefix)
        }
        if waits { try settle(cache) }
        return count
    }

    /// Removes records of `spotify` whose keys begin with `prefix` and that were neither asked for, as far as that is known, nor fetched or renewed since `instant` (wall-clock
    /// milliseconds). By hand only: nothing else ever removes one. Answers how many.
    public func prune(_ prefix: [UInt8], unusedSince instant: Int64) throws(CacheError) -> Int {
        var count = 0
        while true {
            let keys = try record.write { writer in try writer.prune(prefix, unusedSince: instant) }
            for key in keys { withdraw(.spotify, key) }
            count += keys.count
            if keys.count < EntryWriter.step { return count }
            // Whoever waits at the gate goes first.
            usleep(2000)
        }
    }

    /// Removes a record of `spotify` for good. By hand only. Answers whether there was one.
    public func evict(_ key: [UInt8]) throws(CacheError) -> Bool {
        try EntryLimits.check(key: key)
        let wasThere = try record.write { writer in try writer.evict(.spotify, key) }
        withdraw(.spotify, key)
        return wasThere
    }

    // MARK: What outlives a power cut

    /// Calls `done` when all that was written to the cache by now is kept as it was promised: for a durable cache, when it would outlive a
    /// power cut. For who wrote with `waits: false`, so that one thread's writes share a sync.
    /// - Parameter done: called once, at once or by a thread that may block; with why the promise cannot be given.
    public func whenSettled(_ cache: CacheName, _ done: @escaping @Sendable (CacheError?) -> Void) {
        guard configuration.durable.contains(cache) else { return done(nil) }
        sync.whenDone { [self] fault in done(fault.map(unsynced)) }
    }

    private func settle(_ cache: CacheName) throws(CacheError) {
        guard configuration.durable.contains(cache) else { return }
        do throws(SystemError) { try sync.finish() } catch { throw unsynced(error) }
    }

    func unsynced(_ fault: SystemError) -> CacheError { record.refused("the log cannot be brought to the disk: \(fault.reason)") }

    /// The numbers of the records of `spotify` under these keys, for `touch`: found in an index, without a lock. A key without a
    /// record has none.
    public func numbers(of keys: [[UInt8]]) throws(CacheError) -> [RecordNumber] {
        let epoch = record.epoch
        return try record.read { reader throws(SQLiteFailure) in
            try reader.rows(.spotify, keys).map { RecordNumber(row: $0, epoch: epoch) }
        }
    }

    /// Notes that records were asked for at `instant` (wall-clock milliseconds), unless a use is noted that is `tolerance`
    /// (ms) older at most; what is `apart` from the beginning of an occasion, at least, is another one. One transaction, while every other writer waits: cheapest for many at once, sorted by their
    /// number. Never call this on a caller's way.
    public func touch(
        _ records: [RecordNumber], at instant: Int64, tolerance: Int64 = 0, apart: Int64 = 6 * 3_600_000
    ) throws(CacheError) {
        guard !records.isEmpty else { return }
        try record.write { writer in
            for record in records where record.epoch == writer.transaction.epoch {
                try writer.touch(record.row, at: instant, tolerance: tolerance, apart: apart)
            }
        }
    }

    // MARK: What DragonflyDB is told: after the record, and nothing depends on its hearing it

    /// A copy of what was read from the record; `copyEpoch` as it stood before that.
    /// - Parameter waits: false: the filler's thread tells the store, soon.
    func fill(_ cache: CacheName, _ key: [UInt8], _ entry: Entry, copyEpoch: UInt64, replacesWrong: Bool = false, waits: Bool) {
        if cache == .spotify {
            let item = Backfill.Item(key: key, entry: entry, copyEpoch: copyEpoch, replacesWrong: replacesWrong)
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
            let wrong = batch.filter(\.replacesWrong).map(\.key)
            if !wrong.isEmpty { _ = removeCopies(.spotify, wrong) }
            let offers = batch.compactMap { offer(store, .spotify, $0.key, $0.entry, copyEpoch: $0.copyEpoch) }
            guard !offers.isEmpty, [.taken, .superseded].contains(store.offer(offers, isCurrent: isCurrent)), shared.isShared else {
                continue
            }
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
            } else if store.offer(offers, isCurrent: isCurrent) != .taken, !removeCopies(cache, batch.map(\.key)) {
                shared.raiseCopyEpoch()
            }
        }
    }

    /// A row that cannot be read says nothing against an offer.
    private func isCurrent(_ offer: CopyOffer) -> Bool {
        do { return try record.seal(.spotify, offer.key.key) == offer.copy.entry.seal } catch { return true }
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
                key: store.key(cache, key),
                copy: StoredCopy(entry: entry, epoch: record.epoch, copyEpoch: copyEpoch, key: StoredCopy.hash(of: key, in: cache)),
                milliseconds: $0)
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
