import Logging
import Platform
import Synchronization

/// The four caches over a worker's memory, DragonflyDB and SQLite. Safe to use from any thread.
///
/// SQLite is the record. A write is acknowledged when it is in `cache.db`, and one of a durable cache when it would outlive a power cut;
/// what lies above are copies, and a copy is served only when it is known to be what the record says (`CopyValidity`, docs/caching.md).
public final class Caches: Sendable {
    let configuration: CachesConfiguration
    let clock: any HostClock
    let log: Logger
    let record: CacheDatabase
    let memory: MemoryStore
    /// nil: SQLite alone.
    let store: DragonflyStore?
    /// There is one when there is a store.
    let backfill: Backfill?
    let maintenance: Maintenance
    let sync: LogSync
    let counters = CounterBook()
    var shared: SharedState { record.shared }

    /// Opens `cache.db`, and makes it when there is none. A damaged one is set aside as `cache.db.damaged-<seconds>` and
    /// an empty one begun. Several workers may start at once.
    public convenience init(_ configuration: CachesConfiguration, log: Logger) throws(CacheError) {
        try self.init(configuration, log: log, clock: SystemClock())
    }

    package init(_ configuration: CachesConfiguration, log: Logger, clock: any HostClock) throws(CacheError) {
        self.configuration = configuration
        self.clock = clock
        self.log = log
        let record = try CacheDatabase(path: configuration.path, threads: configuration.threads, clock: clock, log: log)
        self.record = record
        maintenance = Maintenance(record: record, log: log)
        let path = configuration.path
        sync = LogSync(
            record.shared, synchronize: { () throws(SystemError) in try LogSync.log(of: path) },
            checkpoint: { (try? record.tend { Maintenance.checkpoint($0) }) == .some(true) })
        memory = MemoryStore(
            bytes: configuration.memoryBytes, lifetime: configuration.memoryLifetime, shared: record.shared)
        store = configuration.dragonfly.map {
            DragonflyStore(
                $0, threads: configuration.threads, shared: record.shared, epoch: { record.epoch }, clock: clock, log: log)
        }
        backfill = store == nil ? nil : Backfill()
    }

    /// Where `cache.db` is.
    public var folder: String {
        configuration.path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    }

    /// Closes files and connections. Calls that are under way end first or fail; none may follow.
    public func close() {
        backfill?.close()
        sync.stop()
        store?.close()
        record.close()
        shared.maintenance?.unlock()
    }

    func lifetime(_ cache: CacheName, _ ttl: Duration?, keep: Bool = false) -> Lifetime {
        Lifetime(ttl, of: cache, keep: keep, lifetimes: configuration.ttl)
    }

    /// How a `cache.db` is known and got its tables.
    public static var schema: SchemaSteps { CacheSchema.steps }

    // MARK: What the dashboard, the command line and the renewal ask: from kept counts and indexes, never by scanning

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

    /// The keys that begin with `prefix` and come after `after`, at most `limit`, along an index. Entries whose time has passed are left out;
    /// of `spotify` they are due, and there. Reads a few thousand rows at most: where most are over, a page may be short, or empty.
    public func keys(_ cache: CacheName, prefix: [UInt8] = [], after: [UInt8]? = nil, limit: Int) throws(CacheError) -> KeyPage {
        try record.keys(cache, prefix: prefix, after: after, limit: limit)
    }

    /// The largest namespaces of a cache.
    public func namespaces(_ cache: CacheName, limit: Int = 100) throws(CacheError) -> [NamespaceStatistics] {
        try record.namespaces(cache, limit: limit)
    }

    /// Records of `spotify` that are due before `before` (wall-clock milliseconds) and were used at or after
    /// `usedSince` (0: whether used or not; uses are remembered for a week), the longest due first. `twiceSince`: and that were used on an
    /// earlier occasion, too, at or after that. `usedAt` is the latest use; 0 where `usedSince` is.
    public func due(
        before: Int64, usedSince: Int64, twiceSince: Int64? = nil, prefix: [UInt8] = [], limit: Int
    ) throws(CacheError) -> [(key: [UInt8], expiresAt: Int64, usedAt: Int64)] {
        try record.due(before: before, usedSince: usedSince, twiceSince: twiceSince ?? .min, prefix: prefix, limit: limit)
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

    /// What this worker has met with. From memory: costs nothing, and may be asked every second.
    public func troubles() -> CacheTroubles {
        CacheTroubles(
            writeRefusal: record.writeRefusal, isDiskFull: record.isDiskFull, storeFault: store?.figures.fault)
    }

    /// One PING to DragonflyDB, at most its timeout long; nil without DRAGONFLYDB_HOST.
    public func storeHealth() -> StoreHealth? { store?.health() }

    /// DragonflyDB's INFO, field by field, at most its timeout long; nil when it does not answer or there is none.
    public func storeInfo() -> [String: String]? { store?.info() }

    /// A sync of the log, and one small step of purge, checkpoint and check, when this process is the one that does it. About once a second,
    /// from a thread that may block. Throws what kept it from its work; call it again all the same.
    public func maintain() throws(CacheError) {
        memory.purge(now: clock.monotonic)
        if shared.mend() { log.warning("cache.db.shared was cut, replaced or removed: it was made anew") }
        counters.flush(to: shared)
        try record.lookAgain()
        // Where it cannot be written readers reckon.
        try? record.settleClock()
        // First: a purge may take its time, and what was written is lost with the power until this is done.
        let synced = Result { () throws(SystemError) in try sync.finishOlder() }
        try maintenance.step()
        do { try synced.get() } catch { throw unsynced(error) }
    }

    /// Empties DragonflyDB of the copies, in the background; what is cached is found in SQLite.
    public func clearCopies() throws(CacheError) {
        guard let store else { return }
        for cache in CacheName.allCases { store.sweep(cache, prefix: []) }
    }
}

/// Entries of `spotify` that were read from the record and whose copies the store shall get, from whoever must not wait for it: a thread
/// tells the store, many at a time. What does not fit is left out; its next reader brings it again.
final class Backfill: Sendable {
    struct Item {
        let key: [UInt8]
        let entry: Entry
        /// As it stood before the entry was read.
        let copyEpoch: UInt64
        /// What lies there is no copy of it, and goes first: its header may not be believed either.
        var replacesWrong = false
    }

    private struct Waiting {
        var items: [Item] = []
        var bytes = 0
    }

    /// Guards what waits to be told.
    private let waiting = Mutex(Waiting())
    /// One piece of work tells all that waits by then, so one that waits is enough.
    private let queue = SerialQueue(named: "fill", capacity: 1, stackSize: 256 << 10)
    private static let mostBytes = 4 << 20

    /// - Parameter tell: called by the thread with all that was added, in order.
    func add(_ item: Item, tell: @escaping @Sendable ([Item]) -> Void) {
        let isFirst = waiting.withLock { waiting in
            guard waiting.bytes + item.entry.value.count <= Self.mostBytes else { return false }
            waiting.items.append(item)
            waiting.bytes += item.entry.value.count
            return waiting.items.count == 1
        }
        guard isFirst else { return }
        // After `close()`, or where there is no thread to be had, nothing is told.
        if !queue.submit({ [self] in tell(take()) }) { _ = take() }
    }

    /// Waits until everything that was added has been told; for tests.
    func drain() { queue.drain(within: .seconds(60)) }

    /// Ends the thread after what it is just telling.
    func close() { queue.stop(within: .zero) }

    private func take() -> [Item] {
        waiting.withLock { waiting in
            defer { waiting = Waiting() }
            return waiting.items
        }
    }
}
