import Platform
import Testing

@testable import Caching

@Suite("Keys are listed in the order of their bytes")
struct KeyListTests {
    private func keys(_ page: KeyPage) -> [String] { page.keys.map { String(decoding: $0.key, as: UTF8.self) } }

    @Test("page by page, with prefix and start, each key once", arguments: [1, 2, 3, 100])
    func pages(limit: Int) throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        let names = ["a", "a/1", "a/2", "a:1", "aa", "b", "\u{E9}"]
        for name in names.shuffled() { try bench.caches.put(.temp, bytes(name), bytes("x")) }
        try bench.caches.put(.user, bytes("a/3"), bytes("x"))
        func all(_ prefix: String, after: String? = nil) throws -> [String] {
            var found: [String] = []
            var after = after.map(bytes)
            repeat {
                let page = try bench.caches.keys(.temp, prefix: bytes(prefix), after: after, limit: limit)
                #expect(page.keys.count <= limit)
                found += keys(page)
                after = page.next
            } while after != nil
            return found
        }
        #expect(try all("") == names)
        #expect(try all("a/") == ["a/1", "a/2"])
        #expect(try all("a") == ["a", "a/1", "a/2", "a:1", "aa"])
        #expect(try all("a", after: "a/2") == ["a:1", "aa"])
        #expect(try all("a/", after: "0") == ["a/1", "a/2"])
        #expect(try all("a/", after: "b") == [])
        #expect(try all("zz") == [])
    }

    @Test("a page that is whole says that there is none after it")
    func lastPage() throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        for number in 0..<4 { try bench.caches.put(.temp, bytes("\(number)"), bytes("x")) }
        #expect(try bench.caches.keys(.temp, limit: 4).next == nil)
        #expect(try bench.caches.keys(.temp, limit: 3).next == bytes("2"))
    }

    @Test("what is over, deleted or cleared is not there; of spotify it is, and due")
    func gone() throws {
        let bench = try Bench()
        for cache in [CacheName.temp, .spotify] {
            try bench.caches.put(cache, bytes("a/cleared"), bytes("x"), ttl: .seconds(60))
            try bench.caches.put(cache, bytes("deleted"), bytes("x"), ttl: .seconds(60))
            try bench.caches.put(cache, bytes("over"), bytes("x"), ttl: .seconds(1))
            try bench.caches.put(cache, bytes("stays"), bytes("x"), ttl: .seconds(60))
            try bench.caches.put(cache, bytes("ever"), bytes("x"), keep: true)
            try bench.caches.delete(cache, bytes("deleted"))
            try bench.caches.clear(cache, prefix: bytes("a/"))
        }
        let end = bench.clock.now + 60_000
        bench.clock.advance(.seconds(2))
        #expect(
            try bench.caches.keys(.temp, limit: 9).keys == [
                KeyPage.Key(key: bytes("ever"), expiresAt: .max), KeyPage.Key(key: bytes("stays"), expiresAt: end),
            ])
        let records = try bench.caches.keys(.spotify, limit: 9).keys
        #expect(records.map(\.key) == ["a/cleared", "deleted", "ever", "over", "stays"].map(bytes))
        #expect(records.filter { $0.expiresAt <= bench.clock.now }.map(\.key) == ["a/cleared", "deleted", "over"].map(bytes))
    }

    @Test("thousands that are over do not make a page slow, nor lose what comes after them")
    func manyOver() throws {
        let bench = try Bench()
        try bench.caches.put(.temp, (0..<7000).map { (key: bytes("a\(10_000 + $0)"), value: bytes("x"), ttl: .seconds(1)) })
        try bench.caches.put(.temp, bytes("b"), bytes("x"))
        bench.clock.advance(.seconds(2))
        var (found, pages, after) = ([String](), 0, [UInt8]?.none)
        repeat {
            let page = try bench.caches.keys(.temp, after: after, limit: 100)
            found += keys(page)
            after = page.next
            pages += 1
        } while after != nil
        #expect(found == ["b"])
        #expect((2...4).contains(pages))
    }

    @Test("ends are told by the wall clock as it is set now")
    func clockSet() throws {
        let bench = try Bench()
        try bench.caches.put(.temp, bytes("k"), bytes("x"), ttl: .seconds(60))
        let end = bench.clock.now + 60_000
        bench.clock.set(wall: bench.clock.now + 86_400_000)
        #expect(try bench.caches.keys(.temp, limit: 9).keys == [KeyPage.Key(key: bytes("k"), expiresAt: end + 86_400_000)])
    }
}

@Suite("Numbers are added to, by all at once")
struct IncrementTests {
    @Test("it begins at 0, and its end stays", arguments: CacheName.allCases)
    func counts(cache: CacheName) throws {
        let bench = try Bench()
        #expect(try bench.caches.increment(cache, bytes("n"), ttl: .seconds(60)) == 1)
        let end = bench.clock.now + 60_000
        bench.clock.advance(.seconds(10))
        #expect(try bench.caches.increment(cache, bytes("n"), by: -5, ttl: .seconds(600)) == -4)
        let found = try #require(try bench.caches.get(cache, bytes("n")))
        #expect(found.entry.value == bytes("-4"))
        #expect(found.entry.expiresAt == end)
        bench.clock.advance(.seconds(50))
        #expect(try bench.caches.increment(cache, bytes("n"), by: 7) == 7)
        #expect(bench.caches.count(cache) == 1)
    }

    @Test("what is cleared or deleted begins anew", arguments: CacheName.allCases)
    func begins(cache: CacheName) throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        let ends: [() throws -> Bool] = [
            { try bench.caches.delete(cache, bytes("a/n")) }, { try bench.caches.clear(cache) > 0 },
            { try bench.caches.clear(cache, prefix: bytes("a")) > 0 },
        ]
        for end in ends {
            try bench.caches.increment(cache, bytes("a/n"), by: 5)
            #expect(try end())
            #expect(try bench.caches.increment(cache, bytes("a/n")) == 1)
            try bench.caches.delete(cache, bytes("a/n"))
        }
    }

    @Test(
        "what is no whole number is left as it is",
        arguments: ["", "x", "1.5", "+1", " 1", "01", "-0", "1 ", "9223372036854775808", "\u{0661}", "1\0", "true"])
    func noNumber(text: String) throws {
        let bench = try Bench()
        let written = try bench.caches.put(.temp, bytes("n"), bytes(text))
        #expect(throws: CacheError.notAWholeNumber) { try bench.caches.increment(.temp, bytes("n")) }
        #expect(try bench.caches.get(.temp, bytes("n"))?.entry == written)
    }

    @Test("a sum of more than 64 bits is refused", arguments: [Int64.max, Int64.min])
    func overflow(number: Int64) throws {
        let bench = try Bench()
        defer { withExtendedLifetime(bench) {} }
        try bench.caches.increment(.temp, bytes("n"), by: number)
        #expect(throws: CacheError.notAWholeNumber) { try bench.caches.increment(.temp, bytes("n"), by: number.signum()) }
        #expect(try bench.caches.increment(.temp, bytes("n"), by: 0) == number)
    }

    @Test("another worker's memory does not show the number of before", arguments: CacheName.allCases)
    func otherWorkers(cache: CacheName) throws {
        let one = try Bench()
        let two = try one.another()
        for number in 1...20 {
            try one.caches.increment(cache, bytes("n"))
            for _ in 0..<3 { #expect(try two.caches.get(cache, bytes("n"))?.entry.value == bytes("\(number)")) }
        }
    }

    @Test("another end is given to what is there, and to nothing that is over, deleted or due", arguments: CacheName.allCases)
    func touch(cache: CacheName) throws {
        let bench = try Bench()
        try bench.caches.put(cache, bytes("k"), bytes("x"), ttl: .seconds(10))
        #expect(try bench.caches.expire(cache, bytes("k"), in: .seconds(60)))
        #expect(try bench.caches.get(cache, bytes("k"))?.entry.expiresAt == bench.clock.now + 60_000)
        #expect(try !bench.caches.expire(cache, bytes("absent"), in: .seconds(60)))
        try bench.caches.delete(cache, bytes("k"))
        #expect(try !bench.caches.expire(cache, bytes("k"), in: .seconds(60)))
        try bench.caches.put(cache, bytes("k"), bytes("x"), ttl: .seconds(10))
        bench.clock.advance(.seconds(10))
        #expect(try !bench.caches.expire(cache, bytes("k"), in: .seconds(60)))
    }
}
