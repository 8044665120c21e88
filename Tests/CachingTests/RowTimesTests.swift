import Platform
import Testing

@testable import Caching

/// What lives by its time, when somebody sets the wall clock.
@Suite struct RowTimesTests {
    private static let hour: Int64 = 3_600_000
    private static let kinds: [CacheName] = [.session, .user, .temp]

    private let bench: Bench
    private let other: Bench
    private var benches: [Bench] { [bench, other] }

    init() throws {
        bench = try Bench()
        other = try bench.another()
    }

    private func set(by milliseconds: Int64) { bench.clock.set(wall: bench.clock.wall.milliseconds + milliseconds) }

    private func values(_ key: String) throws -> Set<String> {
        var values: Set<String> = []
        for bench in benches {
            for cache in Self.kinds {
                values.insert(try bench.caches.get(cache, bytes(key)).map { String(decoding: $0.entry.value, as: UTF8.self) } ?? "-")
            }
        }
        return values
    }

    private func put(_ key: String, _ ttl: Duration) throws {
        for cache in Self.kinds { try bench.caches.put(cache, bytes(key), bytes("v"), ttl: ttl) }
    }

    @Test(
        "an entry lives for its time, whatever the clock is set to, and whether it is noticed or not",
        arguments: [-30 * 24, -1, 1, 30 * 24], [false, true])
    func lives(hours: Int64, maintained: Bool) throws {
        try put("k", .seconds(600))
        set(by: hours * Self.hour)
        if maintained { try bench.caches.maintain() }
        #expect(try values("k") == ["v"])
        let found = try #require(try other.caches.get(.temp, bytes("k"))?.entry)
        #expect(found.expiresAt - bench.clock.wall.milliseconds == 600_000)
        bench.clock.advance(.seconds(599))
        #expect(try values("k") == ["v"])
        try put("l", .seconds(600))
        #expect(try values("k") == ["v"])
        bench.clock.advance(.seconds(2))
        #expect(try values("k") == ["-"])
        #expect(try values("l") == ["v"])
    }

    @Test("what is set forward and back again takes nothing with it, of this boot or an earlier one")
    func thereAndBack() throws {
        try put("old", .seconds(3 * 3600))
        bench.clock.reboot("boot 2", down: .seconds(10))
        try put("new", .seconds(3 * 3600))
        set(by: 24 * Self.hour)
        for bench in benches { try bench.caches.maintain() }
        #expect(try values("new") == ["v"])
        // By the clock its time has passed: nobody can tell otherwise.
        #expect(try values("old") == ["-"])
        bench.clock.advance(.seconds(3000))
        for bench in benches { try bench.caches.maintain() }
        set(by: -24 * Self.hour)
        #expect(try values("new") == ["v"])
        #expect(try values("old") == ["v"])
    }

    @Test("an hour after the clock was set, or the host started, what has expired is removed again")
    func purge() throws {
        try put("old", .seconds(60))
        bench.clock.reboot("boot 2", down: .seconds(3600))
        try bench.caches.maintain()
        #expect(bench.caches.count(.temp) == 1)
        bench.clock.advance(.seconds(3599))
        try bench.caches.maintain()
        #expect(bench.caches.count(.temp) == 1)
        bench.clock.advance(.seconds(1))
        try bench.caches.maintain()
        #expect(bench.caches.count(.temp) == 0)
    }

    @Test("what is for good stays so, and a change to an entry finds it")
    func kept() throws {
        try bench.caches.put(.user, bytes("p"), bytes("v"), keep: true)
        try bench.caches.put(.temp, bytes("n"), bytes("1"), ttl: .seconds(60))
        for hours: Int64 in [-100_000, 200_000, -100_000] {
            set(by: hours * Self.hour)
            let changed = try other.caches.update(.temp, bytes("n"), ttl: .seconds(60)) { ($0?.value ?? []) + bytes("1") }
            #expect(changed != nil)
        }
        #expect(try bench.caches.get(.temp, bytes("n"))?.entry.value == bytes("1111"))
        #expect(try bench.caches.get(.user, bytes("p"))?.entry.expiresAt == .max)
    }
}
