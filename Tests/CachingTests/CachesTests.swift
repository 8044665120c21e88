import Testing

@testable import Caching

@Suite("The caches over SQLite and memory")
struct CachesTests {
    @Test("what was put is found, with its end and a version above 0")
    func putAndGet() throws {
        let bench = try Bench()
        let entry = try bench.caches.put(.session, bytes("a"), bytes("1"))
        #expect(entry.version > 0)
        #expect(entry.expiresAt == bench.clock.now + 24 * 3600 * 1000)
        #expect(try bench.caches.get(.session, bytes("a")) == Found(entry: entry, tier: .sqlite))
        #expect(try bench.caches.get(.user, bytes("a")) == nil)
    }

    @Test("a record of spotify is found in memory the second time, and no longer once another worker has written it")
    func memory() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.spotify, bytes("k"), bytes("old"))
        #expect(try one.caches.get(.spotify, bytes("k"))?.tier == .sqlite)
        #expect(try one.caches.get(.spotify, bytes("k"))?.tier == .memory)
        try two.caches.put(.spotify, bytes("k"), bytes("new"))
        #expect(try one.caches.get(.spotify, bytes("k"))?.entry.value == bytes("new"))
        #expect(try one.caches.get(.spotify, bytes("k"))?.tier == .memory)
        one.clock.advance(.seconds(3))
        #expect(try one.caches.get(.spotify, bytes("k"))?.tier == .sqlite)
    }
}
