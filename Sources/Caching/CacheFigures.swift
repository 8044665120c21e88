/// What the dashboard, `/metrics` and the command line show. All of it is counted as it happens; nothing is scanned.
public struct CacheFigures: Sendable, Equatable {
    public struct Service: Sendable, Equatable {
        public var cache: CacheName
        /// Rows, those included that have expired and not been purged.
        public var entries: Int
        /// Keys and values.
        public var bytes: Int64
        /// Wall-clock milliseconds of the last write; nil: none yet.
        public var lastUpdated: Int64?
        /// Of all workers, as of their last `maintain()`.
        public var tally: Tally
        /// Of this worker.
        public var workerTally: Tally
    }

    public var services: [Service]
    public var memoryEntries: Int
    public var memoryBytes: Int
    /// nil: there is no DRAGONFLYDB_HOST.
    public var store: StoreFigures?
    /// Why `cache.db` cannot be written; nil: it can, as far as is known.
    public var writeRefusal: String?
}

/// A namespace of a cache: the keys that begin with its name and `/`; the empty one has those without a `/`.
public struct NamespaceFigures: Sendable, Equatable {
    public var name: [UInt8]
    public var entries: Int
    public var bytes: Int64
    public var lastUpdated: Int64?
}

/// This worker's view of DragonflyDB.
public struct StoreFigures: Sendable, Equatable {
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
    public var foreignValues: UInt64
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
