import Testing

@testable import Caching

@Suite("The caches over SQLite and memory")
struct CachesTests {
    @Test("every cache has its own default time, and a setting changes it", arguments: CacheName.allCases)
    func defaults(_ cache: CacheName) throws {
        let bench = try Bench()
        let hours: [CacheName: Int64] = [.spotify: 12, .session: 24, .user: 720, .temp: 1]
        let entry = try bench.caches.put(cache, bytes("a"), bytes("1"))
        #expect(entry.expiresAt - bench.clock.now == (hours[cache] ?? 0) * 3_600_000)
        #expect(try bench.caches.get(cache, bytes("a")) == Found(entry: entry, tier: .sqlite))
        var configuration = CachesConfiguration(path: bench.folder.file("other.db"))
        configuration.ttl = CacheLifetimes(spotify: .seconds(1), session: .seconds(2), user: .seconds(3), temp: .seconds(4))
        let caches = try Caches(configuration, log: bench.log.logger, clock: bench.clock)
        let changed = try caches.put(cache, bytes("a"), bytes("1"))
        #expect(changed.expiresAt - bench.clock.now == (cache.number + 1) * 1000)
    }

    @Test("a value of session, user or temp ends to the second; a record of spotify is only due", arguments: CacheName.allCases)
    func end(_ cache: CacheName) throws {
        let bench = try Bench()
        try bench.caches.put(cache, bytes("k"), bytes("v"), ttl: .seconds(5))
        bench.clock.advance(.milliseconds(4999))
        #expect(try bench.caches.get(cache, bytes("k")) != nil)
        bench.clock.advance(.milliseconds(1))
        #expect(try (bench.caches.get(cache, bytes("k")) != nil) == (cache == .spotify))
    }

    @Test("a preference stays")
    func keep() throws {
        let bench = try Bench()
        try bench.caches.put(.user, bytes("k"), bytes("v"), keep: true)
        bench.clock.advance(.seconds(86400 * 4000))
        try bench.caches.maintain()
        #expect(try bench.caches.get(.user, bytes("k"))?.entry.expiresAt == .max)
    }

    @Test("a record of spotify that is asked for again and again is found in memory, and no longer once another worker has written it")
    func memory() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.spotify, bytes("k"), bytes("old"))
        for tier in [Tier.sqlite, .sqlite, .memory] { #expect(try one.caches.get(.spotify, bytes("k"))?.tier == tier) }
        try two.caches.put(.spotify, bytes("k"), bytes("new"))
        #expect(try one.caches.get(.spotify, bytes("k"))?.entry.value == bytes("new"))
        #expect(try one.caches.get(.spotify, bytes("k"))?.tier == .memory)
        one.clock.advance(.seconds(3))
        #expect(try one.caches.get(.spotify, bytes("k"))?.tier == .sqlite)
    }

    @Test("a deleted record of spotify is due and served, by every worker")
    func deleteSpotify() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.spotify, bytes("k"), bytes("v"))
        for _ in 0..<3 { _ = try two.caches.get(.spotify, bytes("k")) }
        #expect(try one.caches.delete(.spotify, bytes("k")))
        let found = try #require(try two.caches.get(.spotify, bytes("k")))
        #expect(found.entry.value == bytes("v"))
        #expect(found.entry.expiresAt <= one.clock.now)
    }

    @Test("a put on a condition writes only over the version it names")
    func condition() throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        let caches = bench.caches
        let first = try caches.put(.user, bytes("k"), bytes("1"), onlyIfVersion: 0)
        #expect(throws: CacheError.versionChanged(current: first.version)) {
            try caches.put(.user, bytes("k"), bytes("2"), onlyIfVersion: 0)
        }
        try caches.put(.user, bytes("k"), bytes("2"), onlyIfVersion: first.version)
        #expect(throws: CacheError.self) { try caches.put(.user, bytes("k"), bytes("3"), onlyIfVersion: first.version) }
        #expect(try caches.get(.user, bytes("k"))?.entry.value == bytes("2"))
    }

    @Test("an update reads and writes in one, and nil writes nothing")
    func update() throws {
        let bench = try Bench()
        for expected in UInt8(1)...3 {
            let entry = try bench.caches.update(.temp, bytes("n"), ttl: .seconds(9)) { [($0?.value.first ?? 0) + 1] }
            #expect(entry?.value == [expected])
        }
        #expect(try bench.caches.update(.temp, bytes("n")) { _ in nil } == nil)
        bench.clock.advance(.seconds(9))
        #expect(try bench.caches.update(.temp, bytes("n")) { [($0?.value.first ?? 0) + 1] }?.value == [1])
    }

    @Test("many writes are one transaction, and many reads answer in order")
    func many() throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        let caches = bench.caches
        #expect(throws: CacheError.tooLarge) {
            try caches.put(
                .temp,
                [
                    (key: bytes("a"), value: [], ttl: nil), (key: [UInt8](repeating: 1, count: 513), value: [], ttl: nil),
                ])
        }
        #expect(caches.count(.temp) == 0)
        let entries = try caches.put(
            .temp,
            [
                (key: bytes("a"), value: bytes("1"), ttl: nil), (key: bytes("b"), value: bytes("2"), ttl: .seconds(5)),
            ])
        #expect(entries[0].version < entries[1].version)
        let found = try caches.get(.temp, [bytes("b"), bytes("c"), bytes("a")])
        #expect(found.map { $0?.entry.value } == [bytes("2"), nil, bytes("1")])
        #expect(throws: CacheError.tooLarge) {
            try caches.put(.temp, bytes("a"), [UInt8](repeating: 0, count: EntryLimits.valueBytes + 1))
        }
    }

    @Test("versions grow when the clock is set back, and after a delete")
    func versions() throws {
        let bench = try Bench()
        let first = try bench.caches.put(.session, bytes("k"), bytes("1"))
        bench.clock.set(wall: 5)
        let second = try bench.caches.put(.session, bytes("k"), bytes("1"))
        try bench.caches.delete(.session, bytes("k"))
        let third = try bench.caches.put(.session, bytes("k"), bytes("1"))
        #expect(first.version < second.version && second.version < third.version)
    }
}
