import Logging
import Platform
import RESP
import Synchronization

/// The copies in DragonflyDB: never waited for longer than the deadline, never needed. Every call answers nil or false
/// when it could not be carried out for certain; why, the breaker and the log know.
final class DragonflyStore: Sendable {
    let configuration: DragonflyConfiguration
    let shared: SharedState
    let clock: any HostClock
    let log: Logger
    /// How many connections are opened ahead.
    let connections: Int
    let pool = ConnectionPool<RedisConnection>()
    let pipelines: RedisPipelines
    let counts = StoreCounts()
    /// Guards the breaker's decisions; no input or output under it.
    let breaker: Mutex<CircuitBreaker>
    /// The breaker's answer for the hit path, without its lock.
    private let isReady = Atomic<Bool>(false)
    let healthMonitor = HealthMonitorRequests()
    /// The file's own number of the `cache.db` whose copies are meant, now.
    private let epoch: @Sendable () -> Int64
    private let prefixes: Mutex<KeyPrefixes>

    init(
        _ configuration: DragonflyConfiguration, threads: Int, shared: SharedState, epoch: @escaping @Sendable () -> Int64,
        clock: any HostClock, log: Logger
    ) {
        self.configuration = configuration
        self.shared = shared
        self.clock = clock
        self.log = log
        connections = max(threads, 1) + 2
        pipelines = RedisPipelines(wanted: max(threads, 1))
        breaker = Mutex(CircuitBreaker(now: clock.wall))
        self.epoch = epoch
        prefixes = Mutex(KeyPrefixes(configuration.prefix, epoch()))
        startHealthMonitor()
    }

    deinit { healthMonitor.stop() }

    func close() {
        healthMonitor.stop()
        isReady.store(false, ordering: .sequentiallyConsistent)
        pool.close()
        pipelines.watcher.withLock { $0 = nil }
        closePipelines()
    }

    /// Whether the breaker is closed.
    var isAnswering: Bool { isReady.load(ordering: .acquiring) }

    func key(_ cache: CacheName, _ key: [UInt8]) -> StoreKey { StoreKey(prefix: prefix(cache), key: key) }

    private func prefix(_ cache: CacheName) -> [UInt8] {
        let epoch = epoch()
        return prefixes.withLock { prefixes in
            if prefixes.epoch != epoch { prefixes = KeyPrefixes(configuration.prefix, epoch) }
            return prefixes[cache]
        }
    }

    /// Lends a connection. A fault opens the breaker; nil then, and when no connection is at hand.
    func use<Result>(
        _ body: (RedisConnection) throws(StoreFault) -> Result
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

    /// The health monitor opens more when there are too few: nobody else ever waits for a connect.
    private func atHand() -> RedisConnection? {
        while let connection = pool.take() {
            if !connection.isStale { return connection }
        }
        healthMonitor.ring()
        return nil
    }

    func trip(_ fault: StoreFault, batch: Int) {
        counts.faults.add(1, ordering: .relaxed)
        let (message, isOpen) = breaker.withLock { breaker in
            let message = breaker.trip(fault, batch: batch, now: clock.wall)
            if breaker.isOpen { isReady.store(false, ordering: .sequentiallyConsistent) }
            return (message, breaker.isOpen)
        }
        say(message)
        guard isOpen else { return }
        pool.removeAll()
        closePipelines()
        healthMonitor.ring()
    }

    /// The health monitor has a sound store before it. The copy epoch is raised before a connection can be used: what the store
    /// holds may be of another life of it (an old snapshot).
    func admit(_ fresh: [RedisConnection]) {
        shared.raiseCopyEpoch()
        for connection in fresh { pool.put(connection) }
        let message = breaker.withLock { breaker in
            let message = breaker.close(now: clock.wall)
            isReady.store(true, ordering: .sequentiallyConsistent)
            return message
        }
        say(message)
    }

    /// One connection more, for as long as nothing has happened since it was begun.
    func add(_ connection: RedisConnection) {
        shared.raiseCopyEpoch()
        if breaker.withLock({ !$0.isOpen && $0.batch == connection.batch }) { pool.put(connection) }
    }

    func say(_ message: CircuitBreaker.Message?) {
        let at: Logger.Metadata = ["dragonfly": "\(configuration)"]
        switch message {
        case .fault(let fault): log.warning("DragonflyDB is not used, SQLite answers: \(fault)", metadata: at)
        case .recovered: log.notice("DragonflyDB is used", metadata: at)
        case .refusesWrites(let reason): log.warning("DragonflyDB takes no copies: \(reason)", metadata: at)
        case .takesWrites: log.notice("DragonflyDB takes copies again", metadata: at)
        case nil: break
        }
    }

    /// nil: the store could not be asked.
    func get(_ cache: CacheName, _ key: [UInt8]) -> LookupResult? {
        get(cache, [key])?.first
    }

    /// Several keys in one exchange and one deadline, in their order.
    func get(_ cache: CacheName, _ keys: [[UInt8]]) -> [LookupResult]? {
        let begin = clock.monotonic
        let looks = use { connection throws(StoreFault) -> [LookupResult] in
            let copyEpoch = shared.copyEpoch
            var commands = CommandBuffer()
            for key in keys { commands.command("GET", self.key(cache, key)) }
            var looks: [LookupResult] = []
            looks.reserveCapacity(keys.count)
            try connection.exchange(commands) { (index, reply) throws(StoreFault) in
                var look = try self.look(reply, copyEpoch: copyEpoch)
                look.expect(keys[index], in: cache)
                looks.append(look)
            }
            return looks
        }
        for look in looks ?? [] where look.isWrong { noteWrong() }
        if looks != nil { counts.note(askedAt: begin, answeredAt: clock.monotonic) }
        counts.commands.add(UInt64(keys.count), ordering: .relaxed)
        return looks
    }

    /// A value of another kind or shape is as good as none; any other error says something about the store.
    private func look(_ reply: RedisReply, copyEpoch: UInt64) throws(StoreFault) -> LookupResult {
        switch reply {
        case .none: return LookupResult(copy: nil, copyEpoch: copyEpoch)
        case .bytes(let bytes):
            if let copy = StoredCopy(bytes) { return LookupResult(copy: copy, copyEpoch: copyEpoch) }
        case .error(let text) where !text.hasPrefix("WRONGTYPE"): throw StoreFault(reply: text)
        default: break
        }
        return LookupResult(copy: nil, copyEpoch: copyEpoch, isWrong: true)
    }

    /// Counts what is no copy of what was asked for, and says once that there is such a thing.
    func noteWrong() {
        guard counts.wrongCopies.add(1, ordering: .relaxed).oldValue == 0 else { return }
        log.warning(
            "DragonflyDB had something else under a key than what was put there; SQLite answers, and it is put right. This is said once",
            metadata: ["dragonfly": "\(configuration)"])
    }

    var figures: StoreStatistics {
        let breaker = breaker.withLock { $0 }
        return StoreStatistics(
            isUsed: !breaker.isOpen, fault: breaker.fault, since: breaker.since.milliseconds, writeRefusal: breaker.writeRefusal,
            commands: counts.commands.load(ordering: .relaxed), faults: counts.faults.load(ordering: .relaxed),
            refusedCopies: counts.refusedCopies.load(ordering: .relaxed),
            staleCopies: counts.staleCopies.load(ordering: .relaxed),
            wrongCopies: counts.wrongCopies.load(ordering: .relaxed),
            latency: counts.latency.load(ordering: .relaxed))
    }

    func health() -> StoreHealth {
        let begin = clock.monotonic
        var commands = CommandBuffer()
        commands.command("PING")
        let isAnswered =
            use { connection throws(StoreFault) in
                try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                    if case .error(let text) = reply { throw StoreFault(reply: text) }
                }
                return true
            } ?? false
        guard isAnswered else {
            let fault = breaker.withLock { $0.fault }
            return StoreHealth(isConnected: false, latency: .zero, message: fault?.description ?? "it has not answered yet")
        }
        let latency = clock.monotonic - begin
        return StoreHealth(isConnected: true, latency: latency, message: "it answers")
    }

    /// The fields of INFO; nil when it did not answer.
    func info() -> [String: String]? {
        var commands = CommandBuffer()
        commands.command("INFO")
        return use { connection throws(StoreFault) in
            var fields: [String: String] = [:]
            try connection.exchange(commands) { (_, reply) throws(StoreFault) in
                if case .error(let text) = reply { throw StoreFault(reply: text) }
                guard case .bytes(let bytes) = reply else { return }
                for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) where line.first != UInt8(ascii: "#") {
                    let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
                    guard parts.count == 2 else { continue }
                    fields[String(decoding: parts[0], as: UTF8.self)] = String(decoding: parts[1], as: UTF8.self)
                }
            }
            return fields
        }
    }
}

/// What the health monitor's thread is asked to do, and how it is ended.
final class HealthMonitorRequests: Sendable {
    private struct State: Sendable {
        var isRung = false
        var isStopped = false
        /// Patterns of keys to be removed.
        var sweeps: [[UInt8]] = []
    }

    private let state = Monitor(State())
    private static let mostSweeps = 64

    func ring() { state.update { $0.isRung = true } }

    /// Asks for a sweep of the keys that match, unless it is asked for already.
    func ring(sweep pattern: [UInt8]) {
        state.update { state in
            if !state.sweeps.contains(pattern), state.sweeps.count < Self.mostSweeps { state.sweeps.append(pattern) }
            state.isRung = true
        }
    }

    func stop() { state.update { $0.isStopped = true } }

    var nextSweep: [UInt8]? { state.withLock { $0.sweeps.first } }
    func finish(_ sweep: [UInt8]) { state.withLock { state in state.sweeps.removeAll { $0 == sweep } } }

    /// Waits until somebody rings. false: the end has come.
    func wait() -> Bool {
        state.wait { state in
            guard state.isRung || state.isStopped else { return .sleep(until: .never) }
            state.isRung = false
            return .take(!state.isStopped)
        }
    }

    /// Waits out the time between two probes, whoever rings. false: the end has come.
    func rest(for length: Duration) -> Bool { state.wait(within: length) { $0.isStopped ? false : nil } ?? true }
}

/// What the keys of each cache begin with: the program's prefix and the number of the `cache.db` whose copies they are, so that hosts which
/// share a store do not take each other's for their own.
private struct KeyPrefixes {
    let epoch: Int64
    private let prefixes: [[UInt8]]

    init(_ prefix: String, _ epoch: Int64) {
        self.epoch = epoch
        let file = String(UInt64(bitPattern: epoch), radix: 16)
        prefixes = CacheName.allCases.map { Array("\(prefix)\(file):\($0.rawValue):".utf8) }
    }

    /// `CacheName`'s numbers are its order.
    subscript(cache: CacheName) -> [UInt8] { prefixes[Int(cache.number)] }
}
