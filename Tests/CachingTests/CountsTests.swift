import Testing

@testable import Caching

@Suite("Counts are kept, not scanned")
struct CountsTests {
    @Test("namespaces and totals follow every write, delete, expiry and clearing")
    func follow() throws {
        let bench = try Bench()
        let caches = bench.caches
        try caches.put(.temp, bytes("a/1"), bytes("xx"))
        try caches.put(.temp, bytes("a/2"), bytes("xx"))
        try caches.put(.temp, bytes("a/2"), bytes("xxxx"))
        try caches.put(.temp, bytes("plain"), bytes("x"))
        #expect(caches.count(.temp) == 3)
        let namespaces = try caches.namespaces(.temp)
        #expect(namespaces.map(\.name) == [bytes("a"), []])
        #expect(namespaces.map(\.entries) == [2, 1])
        #expect(namespaces[0].bytes == 3 + 2 + 3 + 4)
        #expect(namespaces[0].lastUpdated == bench.clock.now)
        #expect(try caches.delete(.temp, bytes("a/1")))
        #expect(try !caches.delete(.temp, bytes("a/1")))
        #expect(caches.count(.temp) == 2)
        bench.clock.advance(.seconds(3600))
        try caches.maintain()
        #expect(caches.count(.temp) == 0)
        #expect(try caches.namespaces(.temp).isEmpty)
    }

    @Test("a clearing takes effect at once and is carried out later, in steps, without touching what came after it")
    func clearing() throws {
        let bench = try Bench()
        let caches = bench.caches
        try caches.put(.temp, (0..<1000).map { (key: bytes("n/\($0)"), value: bytes("x"), ttl: nil) })
        try caches.put(.temp, bytes("m/1"), bytes("x"))
        #expect(try caches.clear(.temp, prefix: bytes("n/")) == 1000)
        #expect(caches.count(.temp) == 1)
        #expect(try caches.get(.temp, bytes("n/7")) == nil)
        #expect(try !caches.delete(.temp, bytes("n/8")))
        try caches.put(.temp, bytes("n/7"), bytes("new"))
        #expect(caches.count(.temp) == 2)
        for _ in 0..<20 { try caches.maintain() }
        #expect(try caches.get(.temp, bytes("n/7"))?.entry.value == bytes("new"))
        #expect(caches.count(.temp) == 2)
        #expect(try caches.count(.temp, prefix: bytes("n")) == 1)
        #expect(
            try bench.caches.record.read { reader throws(SQLiteFailure) in
                try reader.number("SELECT (SELECT count(*) FROM clearings) * 1000 + (SELECT count(*) FROM entries)")
            } == 2)
    }

    @Test("clearing a prefix that is no namespace keeps the counts right")
    func prefix() throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        let caches = bench.caches
        for key in ["ab/1", "abc/1", "abd", "b"] { try caches.put(.user, bytes(key), bytes("x")) }
        #expect(try caches.count(.user, prefix: bytes("ab")) == 3)
        #expect(try caches.clear(.user, prefix: bytes("ab")) == 3)
        #expect(caches.count(.user) == 1)
        #expect(try caches.namespaces(.user).map(\.entries) == [1])
    }

    @Test("thousands of keys with a prefix that is no namespace are gone at once, and out of the counts when the purge has been there")
    func manyWithPrefix() throws {
        let bench = try Bench()
        let other = try bench.another()
        let caches = bench.caches
        try caches.put(.temp, (0..<3000).map { (key: bytes("ab\($0 % 3)/\($0)"), value: bytes("x"), ttl: nil) })
        try caches.put(.temp, bytes("b"), bytes("x"))
        #expect(try caches.clear(.temp, prefix: bytes("ab")) == 3000)
        #expect(try other.caches.get(.temp, bytes("ab1/7")) == nil)
        #expect(try caches.keys(.temp, limit: 9).keys.map(\.key) == [bytes("b")])
        #expect(try !caches.delete(.temp, bytes("ab0/3")))
        // Written anew, cleared again as a namespace, and written anew: each is counted once.
        try caches.put(.temp, bytes("ab1/7"), bytes("new"))
        #expect(try caches.clear(.temp, prefix: bytes("ab2/")) > 0)
        try caches.put(.temp, bytes("ab2/8"), bytes("newer"))
        for _ in 0..<40 { try caches.maintain() }
        #expect(try other.caches.get(.temp, bytes("ab1/7"))?.entry.value == bytes("new"))
        #expect(try other.caches.get(.temp, bytes("ab2/8"))?.entry.value == bytes("newer"))
        #expect(caches.count(.temp) == 3)
        #expect(try caches.namespaces(.temp).map(\.entries).reduce(0, +) == 3)
        #expect(try caches.namespaces(.temp).map(\.bytes).reduce(0, +) == 2 + 8 + 10)
    }

    @Test("clearing spotify makes every record due, for every worker, and loses none")
    func clearSpotify() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.spotify, bytes("r/1"), bytes("x"))
        for _ in 0..<3 { _ = try two.caches.get(.spotify, bytes("r/1")) }
        one.clock.advance(.seconds(1))
        #expect(try one.caches.clear(.spotify) == 1)
        for _ in 0..<2 {
            let found = try #require(try two.caches.get(.spotify, bytes("r/1")))
            #expect(found.entry.value == bytes("x"))
            #expect(found.entry.expiresAt <= one.clock.now)
            #expect(two.caches.count(.spotify) == 1)
            for _ in 0..<3 { try one.caches.maintain() }
        }
        #expect(try one.caches.due(before: one.clock.now + 1, usedSince: 0, limit: 5).map(\.key) == [bytes("r/1")])
    }

    @Test("hits and misses are counted by tier and summed over workers")
    func counters() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.spotify, bytes("k"), bytes("v"))
        for _ in 0..<4 { _ = try one.caches.get(.spotify, bytes("k")) }
        _ = try two.caches.get(.spotify, bytes("absent"))
        try two.caches.maintain()
        let service = one.caches.statistics().services[0]
        #expect(service.counters == CacheCounters(memory: 2, dragonfly: 0, sqlite: 2, misses: 1))
        #expect(service.counters.hitRate == 80)
        #expect(service.workerCounters.misses == 0)
        #expect(service.entries == 1)
    }
}

@Suite("Renewal finds what is due and in use")
struct DueTests {
    @Test("the longest due first, used since, with the prefix, up to the limit")
    func due() throws {
        let bench = try Bench()
        let caches = bench.caches
        let start = bench.clock.now
        for (number, name) in ["a/1", "a/2", "a/3", "b/1"].enumerated() {
            try caches.put(.spotify, bytes(name), bytes("x"), ttl: .seconds(100 - number))
        }
        func touch(_ names: [String], at instant: Int64, tolerance: Int64 = 0) throws {
            try caches.touch(caches.numbers(of: names.map(bytes)).sorted(), at: instant, tolerance: tolerance)
        }
        try touch(["a/1", "a/2", "b/1", "unknown"], at: start + 10)
        try touch(["a/3"], at: start + 5)
        try touch(["a/3"], at: start + 15, tolerance: 10)
        let later = start + 101_000
        #expect(try caches.due(before: later, usedSince: start + 6, limit: 9).map(\.key) == [bytes("b/1"), bytes("a/2"), bytes("a/1")])
        #expect(try caches.due(before: later, usedSince: start + 6, prefix: bytes("a/"), limit: 1).map(\.key) == [bytes("a/2")])
        #expect(try caches.due(before: start + 98_500, usedSince: 1, limit: 9).map(\.key) == [bytes("b/1"), bytes("a/3")])
        try caches.put(.spotify, bytes("b/1"), bytes("renewed"))
        #expect(try caches.due(before: later, usedSince: 1, limit: 1).map(\.key) == [bytes("a/3")])
        try caches.delete(.spotify, bytes("b/1"))
        #expect(try caches.due(before: later, usedSince: 1, limit: 1).map(\.key) == [bytes("b/1")])
        #expect(try caches.get(.spotify, bytes("b/1"))?.entry.value == bytes("renewed"))
    }

    @Test("and what was used on two occasions, the last but one not too long ago")
    func twice() throws {
        let bench = try Bench()
        let caches = bench.caches
        let start = bench.clock.now
        for name in ["once", "often", "twice"] { try caches.put(.spotify, bytes(name), bytes("x"), ttl: .seconds(100)) }
        func touch(_ name: String, at instant: Int64) throws {
            try caches.touch(caches.numbers(of: [bytes(name)]), at: start + instant, apart: 1000)
        }
        try touch("once", at: 5)
        for instant in stride(from: Int64(5), to: 3000, by: 500) { try touch("often", at: instant) }
        try touch("twice", at: 5)
        try touch("twice", at: 1005)
        try touch("twice", at: 1500)
        func found(twiceSince: Int64) throws -> [[UInt8]] {
            try caches.due(before: .max, usedSince: 1, twiceSince: start + twiceSince, limit: 9).map(\.key)
        }
        #expect(try Set(found(twiceSince: 5)) == [bytes("twice"), bytes("often")])
        #expect(try found(twiceSince: 6) == [bytes("often")], "what goes on for long is more than one occasion")
        #expect(try found(twiceSince: 1006) == [])
        #expect(try caches.due(before: .max, usedSince: 1, limit: 9).count == 3)
    }
}
