import Platform
import RESP
import Synchronization

/// What the dashboard, `/metrics` and the command line show. All of it is counted as it happens; nothing is scanned.
public struct CacheStatistics: Sendable, Equatable {
    public struct Service: Sendable, Equatable {
        public var cache: CacheName
        /// Rows, those included that have expired and not been purged.
        public var entries: Int
        /// Keys and values.
        public var bytes: Int64
        /// Wall-clock milliseconds of the last write; nil: none yet.
        public var lastUpdated: Int64?
        /// Of all workers, as of their last `maintain()`.
        public var counters: CacheCounters
        /// Of this worker.
        public var workerCounters: CacheCounters
    }

    public var services: [Service]
    public var memoryEntries: Int
    public var memoryBytes: Int
    /// nil: there is no DRAGONFLYDB_HOST.
    public var store: StoreStatistics?
    /// Why `cache.db` cannot be written; nil: it can, as far as is known.
    public var writeRefusal: String?

    /// Of caches that are not open.
    public static let unknown = CacheStatistics(services: [], memoryEntries: 0, memoryBytes: 0, store: nil, writeRefusal: nil)
}

/// What stands in the caches' way.
public struct CacheTroubles: Sendable, Equatable {
    /// Why `cache.db` cannot be written; nil: it can, as far as is known.
    public var writeRefusal: String?
    /// Whether it is for want of room.
    public var isDiskFull = false
    /// Why DragonflyDB is not used; nil: nothing is known against it, or there is none.
    public var storeFault: StoreFault?

    public init(writeRefusal: String? = nil, isDiskFull: Bool = false, storeFault: StoreFault? = nil) {
        self.writeRefusal = writeRefusal
        self.isDiskFull = isDiskFull
        self.storeFault = storeFault
    }
}

/// A namespace of a cache: the keys that begin with its name and `/`; the empty one has those without a `/`.
public struct NamespaceStatistics: Sendable, Equatable {
    public var name: [UInt8]
    public var entries: Int
    public var bytes: Int64
    public var lastUpdated: Int64?
}

/// This worker's view of DragonflyDB.
public struct StoreStatistics: Sendable, Equatable {
    /// The circuit breaker is closed: it is asked.
    public var isUsed: Bool
    /// What is wrong; nil: nothing, or no probe has ended yet.
    public var fault: StoreFault?
    /// Wall-clock milliseconds since when `isUsed` is what it is.
    public var since: Int64
    /// Why it takes no copies (out of memory, a replica); nil: it takes them.
    public var writeRefusal: String?
    public var commands: UInt64
    public var faults: UInt64
    public var refusedCopies: UInt64
    public var staleCopies: UInt64
    /// Values that were no copy of what was asked for: of another key, cut, changed, or another program's.
    public var wrongCopies: UInt64
    /// Nanoseconds, a running mean of the last reads.
    public var latency: UInt64
}

/// One PING.
public struct StoreHealth: Sendable, Equatable {
    public var isConnected: Bool
    /// Of this PING; zero when it was not answered.
    public var latency: Duration
    public var message: String
}

/// How often a cache was asked, and which tier answered.
public struct CacheCounters: Sendable, Equatable {
    public var memory: UInt64 = 0
    public var dragonfly: UInt64 = 0
    public var sqlite: UInt64 = 0
    public var misses: UInt64 = 0

    public var hits: UInt64 { memory + dragonfly + sqlite }
    /// 0 to 100; 0 when nothing was asked.
    public var hitRate: Double { hits + misses == 0 ? 0 : Double(hits) * 100 / Double(hits + misses) }
}

/// This worker's tallies; `flush` adds what is new to those of all workers.
final class CounterBook: Sendable {
    private final class Line: Sendable {
        let memory = Atomic<UInt64>(0), dragonfly = Atomic<UInt64>(0), sqlite = Atomic<UInt64>(0), misses = Atomic<UInt64>(0)

        var counters: CacheCounters {
            CacheCounters(
                memory: memory.load(ordering: .relaxed), dragonfly: dragonfly.load(ordering: .relaxed),
                sqlite: sqlite.load(ordering: .relaxed), misses: misses.load(ordering: .relaxed))
        }
    }

    private let lines = CacheName.allCases.map { _ in Line() }
    /// What was added to the shared page already; guards the adding.
    private let flushed = Mutex([CacheCounters](repeating: CacheCounters(), count: CacheName.allCases.count))

    func note(_ cache: CacheName, _ tier: Tier?) {
        let line = lines[Int(cache.number)]
        switch tier {
        case .memory: line.memory.add(1, ordering: .relaxed)
        case .dragonfly: line.dragonfly.add(1, ordering: .relaxed)
        case .sqlite: line.sqlite.add(1, ordering: .relaxed)
        case nil: line.misses.add(1, ordering: .relaxed)
        }
    }

    func counters(_ cache: CacheName) -> CacheCounters { lines[Int(cache.number)].counters }

    /// Answers the sums of all workers.
    @discardableResult
    func flush(to shared: SharedState) -> [CacheName: CacheCounters] {
        flushed.withLock { flushed in
            var sums: [CacheName: CacheCounters] = [:]
            for cache in CacheName.allCases {
                let index = Int(cache.number)
                let (now, before) = (counters(cache), flushed[index])
                flushed[index] = now
                sums[cache] = CacheCounters(
                    memory: shared.addToCounter(index * 4, adding: now.memory - before.memory),
                    dragonfly: shared.addToCounter(index * 4 + 1, adding: now.dragonfly - before.dragonfly),
                    sqlite: shared.addToCounter(index * 4 + 2, adding: now.sqlite - before.sqlite),
                    misses: shared.addToCounter(index * 4 + 3, adding: now.misses - before.misses))
            }
            return sums
        }
    }
}

/// What is counted of DragonflyDB.
final class StoreCounts: Sendable {
    let commands = Atomic<UInt64>(0)
    let faults = Atomic<UInt64>(0)
    /// Copies the store did not take.
    let refusedCopies = Atomic<UInt64>(0)
    /// Values that are no copies, or of another `cache.db`.
    let wrongCopies = Atomic<UInt64>(0)
    /// Copies that were not the record's and so were not served.
    let staleCopies = Atomic<UInt64>(0)
    /// Of the last reads, a running mean in nanoseconds.
    let latency = Atomic<UInt64>(0)

    func note(askedAt begin: MonotonicTime, answeredAt end: MonotonicTime) {
        let sample = end.nanoseconds &- begin.nanoseconds
        let mean = latency.load(ordering: .relaxed)
        latency.store(mean == 0 ? sample : (mean * 15 + sample) / 16, ordering: .relaxed)
    }
}
