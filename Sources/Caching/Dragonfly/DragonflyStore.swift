import CSystem
import Foundation
import Logging
import Synchronization

/// The copies in DragonflyDB: never waited for longer than the deadline, never needed. Every call answers nil or false
/// when it could not be carried out for certain; why, the breaker and the log know.
final class DragonflyStore: Sendable {
    let configuration: DragonflyConfiguration
    let page: SharedPage
    let clock: any CacheClock
    let log: Logger
    /// How many connections are opened ahead.
    let connections: Int
    let pool = Pool<StoreConnection>()
    let channels: StoreChannels
    let counts = StoreCounts()
    /// Guards the breaker's decisions; no input or output under it.
    let breaker: Mutex<Breaker>
    /// The breaker's answer for the hit path, without its lock.
    private let isReady = Atomic<Bool>(false)
    let attendant = AttendantBell()
    private let prefixes: [CacheName: [UInt8]]

    init(_ configuration: DragonflyConfiguration, threads: Int, page: SharedPage, clock: any CacheClock, log: Logger) {
        self.configuration = configuration
        self.page = page
        self.clock = clock
        self.log = log
        connections = max(threads, 1) + 2
        channels = StoreChannels(wanted: max(threads, 1))
        breaker = Mutex(Breaker(now: clock.now))
        prefixes = Dictionary(
            uniqueKeysWithValues: CacheName.allCases.map {
                ($0, Array("\(configuration.prefix)\($0.rawValue):".utf8))
            })
        startAttendant()
    }

    deinit { attendant.stop() }

    func close() {
        attendant.stop()
        isReady.store(false, ordering: .sequentiallyConsistent)
        pool.close()
        channels.watcher.withLock { $0 = nil }
        closeChannels()
    }

    /// Whether the breaker is closed.
    var isAnswering: Bool { isReady.load(ordering: .acquiring) }

    func key(_ cache: CacheName, _ key: [UInt8]) -> StoreKey { StoreKey(prefix: prefixes[cache] ?? [], key: key) }

    /// Lends a connection. A fault opens the breaker; nil then, and when no connection is at hand.
    func use<Result>(
        _ body: (StoreConnection) throws(StoreFault) -> Result
    ) -> Result? {
        guard isAnswering, let connection = atHand() else { return nil }
        do throws(StoreFault) {
            let result = try body(connection)
            pool.put(connection)
            return result
        } catch {
            trip(error, batch: connection.batch)
            return nil
        }
    }

    /// The attendant opens more when there are too few: nobody else ever waits for a connect.
    private func atHand() -> StoreConnection? {
        while let connection = pool.take() {
            if !connection.isStale { return connection }
        }
        attendant.ring()
        return nil
    }

    func trip(_ fault: StoreFault, batch: Int) {
        counts.faults.add(1, ordering: .relaxed)
        let (message, isOpen) = breaker.withLock { breaker in
            let message = breaker.trip(fault, batch: batch, now: clock.now)
            if breaker.isOpen { isReady.store(false, ordering: .sequentiallyConsistent) }
            return (message, breaker.isOpen)
        }
        say(message)
        guard isOpen else { return }
        while pool.take() != nil {}
        closeChannels()
        attendant.ring()
    }

    /// The attendant has a sound store before it. The era is raised before a connection can be used: what the store
    /// holds may be of another life of it (an old snapshot).
    func admit(_ fresh: [StoreConnection]) {
        page.raiseEra()
        for connection in fresh { pool.put(connection) }
        let message = breaker.withLock { breaker in
            let message = breaker.close(now: clock.now)
            isReady.store(true, ordering: .sequentiallyConsistent)
            return message
        }
        say(message)
    }

    /// One connection more, for as long as nothing has happened since it was begun.
    func add(_ connection: StoreConnection) {
        page.raiseEra()
        if breaker.withLock({ !$0.isOpen && $0.batch == connection.batch }) { pool.put(connection) }
    }

    func say(_ message: Breaker.Message?) {
        let at: Logger.Metadata = ["dragonfly": "\(configuration)"]
        switch message {
        case .fault(let fault): log.warning("DragonflyDB is not used, SQLite answers: \(fault)", metadata: at)
        case .recovered: log.notice("DragonflyDB is used", metadata: at)
        case .refusesWrites(let reason): log.warning("DragonflyDB takes no copies: \(reason)", metadata: at)
        case .takesWrites: log.notice("DragonflyDB takes copies again", metadata: at)
        case nil: break
        }
    }
}

/// What is counted for the figures.
final class StoreCounts: Sendable {
    let commands = Atomic<UInt64>(0)
    let faults = Atomic<UInt64>(0)
    /// Copies the store did not take.
    let refusedCopies = Atomic<UInt64>(0)
    /// Values that are no copies, or of another `cache.db`.
    let foreignValues = Atomic<UInt64>(0)
    /// Copies that were not the record's and so were not served.
    let staleCopies = Atomic<UInt64>(0)
    /// Of the last reads, a running mean in nanoseconds.
    let latency = Atomic<UInt64>(0)

    func note(latency sample: UInt64) {
        let mean = latency.load(ordering: .relaxed)
        latency.store(mean == 0 ? sample : (mean * 15 + sample) / 16, ordering: .relaxed)
    }
}
