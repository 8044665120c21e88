import Logging

/// The four caches over a worker's memory, DragonflyDB and SQLite. Safe to use from any thread.
///
/// SQLite is the record. A write is acknowledged when it is in `cache.db`; what lies above are copies, and a copy is
/// served only when it is known to be what the record says (`Trust`, docs/caching.md).
public final class Caches: Sendable {
    let configuration: CachesConfiguration
    let clock: any CacheClock
    let log: Logger
    let record: SQLiteStore
    let memory: MemoryStore
    /// nil: SQLite alone.
    let store: DragonflyStore?
    /// There is one when there is a store.
    let filler: Filler?
    let upkeep: Upkeep
    let tallies = TallyBook()
    var page: SharedPage { record.page }

    /// Opens `cache.db`, and makes it when there is none. A damaged one is set aside as `cache.db.damaged-<seconds>` and
    /// an empty one begun. Several workers may start at once.
    public convenience init(_ configuration: CachesConfiguration, log: Logger) throws(CacheError) {
        try self.init(configuration, log: log, clock: SystemClock())
    }

    init(_ configuration: CachesConfiguration, log: Logger, clock: any CacheClock) throws(CacheError) {
        self.configuration = configuration
        self.clock = clock
        self.log = log
        let record = try SQLiteStore(path: configuration.path, threads: configuration.threads, clock: clock, log: log)
        self.record = record
        upkeep = Upkeep(record: record, log: log)
        memory = MemoryStore(
            bytes: configuration.memoryBytes, lifetime: configuration.memoryLifetime.nanoseconds, page: record.page)
        store = configuration.dragonfly.map {
            DragonflyStore($0, threads: configuration.threads, page: record.page, clock: clock, log: log)
        }
        filler = store == nil ? nil : Filler()
        filler?.start { [weak self] in self?.fill($0) }
    }

    /// Closes files and connections. Calls that are under way end first or fail; none may follow.
    public func close() {
        filler?.close()
        store?.close()
        record.close()
        page.maintenance.unlock()
    }

    func lifetime(_ cache: CacheName, _ ttl: Duration?, keep: Bool = false) -> Lifetime {
        Lifetime(ttl, of: cache, keep: keep, lifetimes: configuration.ttl)
    }
}
