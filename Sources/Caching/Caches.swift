import Foundation
import GRDB
import Logging

/// The four caches over a worker's memory, DragonflyDB and SQLite. Safe to use from any thread.
///
/// SQLite is the record. A write is acknowledged when it is in `cache.db`; what lies above are copies, and a copy is
/// served only when it is known to be what the record says (`CopyValidity`, docs/caching.md).
public final class Caches: Sendable {
    let configuration: CachesConfiguration
    let clock: any CacheClock
    let log: Logger
    let record: CacheDatabase
    let memory: MemoryStore
    /// nil: SQLite alone.
    let store: DragonflyStore?
    /// There is one when there is a store.
    let backfill: Backfill?
    let maintenance: Maintenance
    let counters = CounterBook()
    var shared: SharedState { record.shared }

    /// Opens `cache.db`, and makes it when there is none. A damaged one is set aside as `cache.db.damaged-<seconds>` and
    /// an empty one begun. Several workers may start at once.
    public convenience init(_ configuration: CachesConfiguration, log: Logger) throws(CacheError) {
        try self.init(configuration, log: log, clock: SystemClock())
    }

    init(_ configuration: CachesConfiguration, log: Logger, clock: any CacheClock) throws(CacheError) {
        self.configuration = configuration
        self.clock = clock
        self.log = log
        let record = try CacheDatabase(path: configuration.path, threads: configuration.threads, clock: clock, log: log)
        self.record = record
        maintenance = Maintenance(record: record, log: log)
        memory = MemoryStore(
            bytes: configuration.memoryBytes, lifetime: configuration.memoryLifetime.nanoseconds, shared: record.shared)
        store = configuration.dragonfly.map {
            DragonflyStore($0, threads: configuration.threads, shared: record.shared, clock: clock, log: log)
        }
        backfill = store == nil ? nil : Backfill()
        backfill?.start { [weak self] in self?.fill($0) }
    }

    /// Closes files and connections. Calls that are under way end first or fail; none may follow.
    public func close() {
        backfill?.close()
        store?.close()
        record.close()
        shared.maintenance.unlock()
    }

    func lifetime(_ cache: CacheName, _ ttl: Duration?, keep: Bool = false) -> Lifetime {
        Lifetime(ttl, of: cache, keep: keep, lifetimes: configuration.ttl)
    }

    /// The newest `PRAGMA user_version` of a `cache.db` that this program reads.
    public static var schemaVersion: Int { CacheSchema.version }
}

/// Entries of `spotify` that were read from the record and whose copies the store shall get, from whoever must not wait for it: a plain
/// thread tells the store, many at a time. What does not fit is left out; its next reader brings it again.
///
/// `@unchecked Sendable`: `condition`'s lock guards all variables.
final class Backfill: @unchecked Sendable {
    struct Item {
        let key: [UInt8]
        let entry: Entry
        /// As it stood before the entry was read.
        let copyEpoch: UInt64
    }

    private let condition = NSCondition()
    private var waiting: [Item] = []
    private var bytes = 0
    private var isBusy = false
    private var isClosed = false
    private static let mostBytes = 4 << 20

    /// Starts the thread; `fill` runs on it.
    func start(_ fill: @escaping @Sendable ([Item]) -> Void) {
        let thread = Thread { [self] in
            while let items = take() { fill(items) }
        }
        thread.name = "fill"
        thread.stackSize = 256 << 10
        thread.start()
    }

    func add(_ item: Item) {
        condition.withLock {
            guard !isClosed, bytes + item.entry.value.count <= Self.mostBytes else { return }
            waiting.append(item)
            bytes += item.entry.value.count
            if waiting.count == 1, !isBusy { condition.broadcast() }
        }
    }

    /// Waits until everything that was added has been told; for tests.
    func drain() { condition.withLock { while isBusy || !waiting.isEmpty { condition.wait() } } }

    /// Ends the thread after what it is just telling.
    func close() {
        condition.withLock {
            isClosed = true
            waiting = []
            condition.broadcast()
        }
    }

    private func take() -> [Item]? {
        condition.withLock {
            if isBusy {
                isBusy = false
                if waiting.isEmpty { condition.broadcast() }
            }
            while waiting.isEmpty, !isClosed { condition.wait() }
            guard !isClosed else { return nil }
            defer { (waiting, bytes, isBusy) = ([], 0, true) }
            return waiting
        }
    }
}
