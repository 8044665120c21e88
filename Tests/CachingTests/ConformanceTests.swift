import Foundation
import Synchronization
import Platform
import Testing

@testable import Caching

/// Gives out versions where the store itself does not.
final class Versions: Sendable {
    private let last = Mutex<Int64>(0)
    func next() -> Int64 {
        last.withLock { last in
            last += 1
            return last
        }
    }
}

struct ConformingMemory: ConformingStore {
    let clock: ManualClock? = ManualClock()
    let folder = TemporaryFolder()
    let shared: SharedState
    let store: MemoryStore
    let versions = Versions()

    init() throws {
        shared = try SharedState(path: folder.file("page"))
        store = MemoryStore(bytes: 256 << 20, lifetime: .seconds(3600), shared: shared)
    }

    private func key(_ cache: CacheName, _ key: [UInt8]) -> MemoryStore.Key { store.key(bytes(cache.rawValue + ":") + key) }
    private var now: MonotonicTime { clock?.monotonic ?? 0 }

    func find(_ cache: CacheName, _ bytes: [UInt8]) -> Entry? {
        store.find(key(cache, bytes), now: now).flatMap { $0.expiresAt > clock?.now ?? 0 ? $0 : nil }
    }
    func put(_ cache: CacheName, _ bytes: [UInt8], _ value: [UInt8], ttl: Duration) -> Entry {
        let wall = clock?.now ?? 0
        let entry = Entry(value: value, version: versions.next(), storedAt: wall, expiresAt: wall + ttl.wholeMilliseconds)
        let key = key(cache, bytes)
        store.put(key, entry, invalidations: shared.invalidations(key.hash), now: now)
        return entry
    }
    func delete(_ cache: CacheName, _ bytes: [UInt8]) { store.remove(key(cache, bytes)) }
    func expire(_ cache: CacheName, _ bytes: [UInt8], in length: Duration) {
        guard let entry = find(cache, bytes) else { return }
        _ = put(cache, bytes, entry.value, ttl: length)
    }
    func count(_ cache: CacheName, prefix: [UInt8]) -> Int { store.count(prefix: bytes(cache.rawValue + ":") + prefix) }
    func clear(_ cache: CacheName, prefix: [UInt8]) { store.clear(prefix: bytes(cache.rawValue + ":") + prefix) }
    func pass(_ length: Duration) { clock?.advance(length) }
}

struct ConformingSQLite: ConformingStore {
    let clock: ManualClock? = ManualClock()
    let folder = TemporaryFolder()
    let store: CacheDatabase

    init() throws {
        store = try CacheDatabase(
            path: folder.file("cache.db"), threads: 1, clock: clock ?? ManualClock(), log: LogLines().logger)
    }

    private func lifetime(_ cache: CacheName, _ ttl: Duration) -> Lifetime {
        Lifetime(ttl, of: cache, keep: false, lifetimes: CacheLifetimes())
    }
    func find(_ cache: CacheName, _ key: [UInt8]) throws -> Entry? {
        try store.find(cache, key).flatMap { cache.keepsDueRows || $0.expiresAt > clock?.now ?? 0 ? $0 : nil }
    }
    func put(_ cache: CacheName, _ key: [UInt8], _ value: [UInt8], ttl: Duration) throws -> Entry {
        try store.write { try $0.put(cache, key, value, lifetime(cache, ttl)) }
    }
    func delete(_ cache: CacheName, _ key: [UInt8]) throws { _ = try store.write { try $0.delete(cache, key) } }
    func expire(_ cache: CacheName, _ key: [UInt8], in length: Duration) throws {
        _ = try store.write { try $0.expire(cache, key, at: (clock?.now ?? 0) + length.wholeMilliseconds) }
    }
    func count(_ cache: CacheName, prefix: [UInt8]) throws -> Int { try store.count(cache, prefix: prefix) }
    func clear(_ cache: CacheName, prefix: [UInt8]) throws { _ = try store.write { try $0.clear(cache, prefix: prefix) } }
    func pass(_ length: Duration) { clock?.advance(length) }
}

struct ConformingDragonfly: ConformingStore {
    let clock: ManualClock? = nil
    let server: RedisServer
    let store: DragonflyStore
    let versions = Versions()

    init() throws {
        server = try RedisServer()
        store = DragonflyStore(
            DragonflyConfiguration(host: "unix:" + server.socket, timeout: .seconds(5)), threads: 1,
            shared: try SharedState(path: server.folder.file("page")), epoch: { 1 }, clock: SystemClock(), log: LogLines().logger)
        try wait(for: "the first probe") { [store] in store.isAnswering }
    }

    func find(_ cache: CacheName, _ key: [UInt8]) -> Entry? { store.get(cache, key)?.copy?.entry }
    func put(_ cache: CacheName, _ key: [UInt8], _ value: [UInt8], ttl: Duration) -> Entry {
        let now = SystemClock().now
        let entry = Entry(value: value, version: versions.next(), storedAt: now, expiresAt: now + ttl.wholeMilliseconds)
        let copy = StoredCopy(entry: entry, epoch: 1, copyEpoch: 1, key: StoredCopy.hash(of: key, in: cache))
        #expect(
            store.offer([CopyOffer(key: store.key(cache, key), copy: copy, milliseconds: ttl.wholeMilliseconds)], isCurrent: { _ in true })
                == .taken)
        return entry
    }
    func delete(_ cache: CacheName, _ key: [UInt8]) { #expect(store.remove([store.key(cache, key)])) }
    func expire(_ cache: CacheName, _ key: [UInt8], in length: Duration) {
        guard let entry = find(cache, key) else { return }
        _ = put(cache, key, entry.value, ttl: length)
    }
    func count(_ cache: CacheName, prefix: [UInt8]) throws -> Int {
        var keys: Set<[UInt8]> = []
        let start = store.key(cache, prefix)
        #expect(
            store.scan(DragonflyStore.pattern(prefix: start.prefix + start.key)) {
                keys.formUnion($0)
                return true
            })
        return keys.count
    }
    func clear(_ cache: CacheName, prefix: [UInt8]) throws {
        store.sweep(cache, prefix: prefix)
        try wait(for: "the end of the sweep") { [store] in store.healthMonitor.nextSweep == nil }
    }
    func pass(_ length: Duration) { usleep(UInt32(length.wholeMilliseconds * 1000)) }
}

struct ConformingCaches: ConformingStore {
    let clock: ManualClock? = nil
    let server: RedisServer
    let caches: Caches

    init() throws {
        server = try RedisServer()
        caches = try Caches(
            CachesConfiguration(
                path: server.folder.file("cache.db"), dragonfly: DragonflyConfiguration(host: "unix:" + server.socket, timeout: .seconds(5))
            ),
            log: LogLines().logger)
        try wait(for: "the first probe") { [caches] in caches.store?.isAnswering ?? false }
    }

    func find(_ cache: CacheName, _ key: [UInt8]) throws -> Entry? { try caches.get(cache, key)?.entry }
    func put(_ cache: CacheName, _ key: [UInt8], _ value: [UInt8], ttl: Duration) throws -> Entry {
        try caches.put(cache, key, value, ttl: ttl)
    }
    func delete(_ cache: CacheName, _ key: [UInt8]) throws { try caches.delete(cache, key) }
    func expire(_ cache: CacheName, _ key: [UInt8], in length: Duration) throws {
        try caches.expire(cache, key, in: length)
    }
    func count(_ cache: CacheName, prefix: [UInt8]) throws -> Int { try caches.count(cache, prefix: prefix) }
    func clear(_ cache: CacheName, prefix: [UInt8]) throws { try caches.clear(cache, prefix: prefix) }
    func pass(_ length: Duration) { usleep(UInt32(length.wholeMilliseconds * 1000)) }
}

@Suite("Every store keeps what it is given")
struct ConformanceTests {
    @Test("memory") func memory() throws { try Conformance.check(ConformingMemory(), cache: .temp) }
    @Test("SQLite", arguments: CacheName.allCases) func sqlite(_ cache: CacheName) throws {
        try Conformance.check(ConformingSQLite(), cache: cache)
    }
    @Test("DragonflyDB", .enabled(if: RedisServer.isInstalled)) func dragonfly() throws {
        try Conformance.check(ConformingDragonfly(), cache: .temp)
    }
    @Test("all tiers together", .enabled(if: RedisServer.isInstalled), arguments: CacheName.allCases)
    func caches(_ cache: CacheName) throws {
        try Conformance.check(ConformingCaches(), cache: cache)
    }
}
