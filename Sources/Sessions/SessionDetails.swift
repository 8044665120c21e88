import Caching
import Logging

/// Shown records in the cache `session`, counts in `temp`.
struct CachesRecords: SessionRecords {
    let caches: Caches
    private let isMarked = Locked(false)  // guards whether the mark was left by this process

    init(caches: Caches) { self.caches = caches }

    func records(_ ids: [String]) throws -> [SessionRecord?] {
        try caches.get(.session, ids.map(Self.key)).map { $0.flatMap { SessionRecord(stored: $0.entry.value) } }
    }

    func keep(_ record: SessionRecord, as id: String) throws { try caches.put(.session, Self.key(id), record.stored) }

    func remove(_ ids: [String]) throws { for id in ids { try caches.delete(.session, Self.key(id)) } }

    func hasBegun() -> Bool { (try? caches.get(.user, Self.mark)) != nil }

    func markBegun() {
        guard !isMarked.withLock({ $0 }) else { return }
        if !hasBegun() { _ = try? caches.put(.user, Self.mark, [1], keep: true) }
        isMarked.withLock { $0 = true }
    }

    private static func key(_ id: String) -> [UInt8] { Array("shown/\(id)".utf8) }
    private static let mark = Array("sessions/begun".utf8)
}

struct CachesCounts: CountStore {
    let caches: Caches

    func change(_ key: String, lastingSeconds: Int64, _ change: ([UInt8]?) -> [UInt8]?) throws {
        try caches.update(.temp, Array(key.utf8), ttl: .seconds(lastingSeconds)) { change($0?.value) }
    }

    func read(_ key: String) throws -> [UInt8]? { try caches.get(.temp, Array(key.utf8))?.entry.value }
}

extension Sessions {
    /// - Parameter caches: `session` holds what is shown of each session, `temp` the failed tries.
    public convenience init(
        _ configuration: SessionsConfiguration, caches: Caches, clock: SessionClock = .system, log: Logger
    ) {
        self.init(
            configuration, records: CachesRecords(caches: caches), counts: CachesCounts(caches: caches), clock: clock, log: log)
    }
}
