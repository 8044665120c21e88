import Platform
import Testing

@testable import Caching

/// What every store must be able to do, each in its own words.
protocol ConformingStore {
    var clock: ManualClock? { get }
    func find(_ cache: CacheName, _ key: [UInt8]) throws -> Entry?
    @discardableResult
    func put(_ cache: CacheName, _ key: [UInt8], _ value: [UInt8], ttl: Duration) throws -> Entry
    func delete(_ cache: CacheName, _ key: [UInt8]) throws
    func expire(_ cache: CacheName, _ key: [UInt8], in length: Duration) throws
    func count(_ cache: CacheName, prefix: [UInt8]) throws -> Int
    func clear(_ cache: CacheName, prefix: [UInt8]) throws
    /// Lets a length of time pass for this store.
    func pass(_ length: Duration)
}

/// One suite for all of them.
enum Conformance {
    static func check(_ store: some ConformingStore, cache: CacheName) throws {
        try bytesInBytesOut(store, cache)
        try overwriteAndDelete(store, cache)
        try namespaces(store, cache)
        try time(store, cache)
    }

    private static func bytesInBytesOut(_ store: some ConformingStore, _ cache: CacheName) throws {
        let everyByte = [UInt8](0...255)
        let values: [[UInt8]] = [
            [], [0], everyByte, bytes("*3\r\n$3\r\nSET\r\n"), [UInt8](repeating: 0xA5, count: 1 << 20),
        ]
        let keys: [[UInt8]] = [
            bytes("plain"), [0], everyByte + everyByte, bytes("a b\r\n\"*?[x]"), bytes("ü/日本"), [0xFF, 0xFE],
        ]
        for key in keys {
            for value in values {
                try store.put(cache, key, value, ttl: .seconds(600))
                #expect(try store.find(cache, key)?.value == value)
            }
        }
        for key in keys { try store.delete(cache, key) }
    }

    private static func overwriteAndDelete(_ store: some ConformingStore, _ cache: CacheName) throws {
        let key = bytes("ns/key")
        #expect(try store.find(cache, key) == nil)
        let first = try store.put(cache, key, bytes("1"), ttl: .seconds(60))
        let second = try store.put(cache, key, bytes("2"), ttl: .seconds(60))
        #expect(second.version > first.version)
        #expect(try store.find(cache, key) == second)
        #expect(try store.find(cache, bytes("ns/ke")) == nil)
        try store.delete(cache, key)
        let third = try store.put(cache, key, bytes("3"), ttl: .seconds(60))
        #expect(third.version > second.version)
        try store.delete(cache, key)
        if !cache.keepsDueRows { #expect(try store.find(cache, key) == nil) }
    }

    private static func namespaces(_ store: some ConformingStore, _ cache: CacheName) throws {
        try store.clear(cache, prefix: [])
        let base = try store.count(cache, prefix: bytes("one/"))
        for number in 0..<5 { try store.put(cache, bytes("one/\(number)"), bytes("x"), ttl: .seconds(60)) }
        for number in 0..<3 { try store.put(cache, bytes("two/\(number)"), bytes("x"), ttl: .seconds(60)) }
        try store.put(cache, bytes("one/0"), bytes("again"), ttl: .seconds(60))
        #expect(try store.count(cache, prefix: bytes("one/")) == base + 5)
        #expect(try store.count(cache, prefix: bytes("two/")) == 3)
        guard !cache.keepsDueRows else { return }
        #expect(try store.count(cache, prefix: []) == 8)
        try store.clear(cache, prefix: bytes("one/"))
        #expect(try store.count(cache, prefix: bytes("one/")) == 0)
        #expect(try store.count(cache, prefix: []) == 3)
        #expect(try store.find(cache, bytes("one/1")) == nil)
        #expect(try store.find(cache, bytes("two/1"))?.value == bytes("x"))
        try store.put(cache, bytes("one/1"), bytes("y"), ttl: .seconds(60))
        #expect(try store.find(cache, bytes("one/1"))?.value == bytes("y"))
        try store.clear(cache, prefix: [])
        #expect(try store.count(cache, prefix: []) == 0)
    }

    private static func time(_ store: some ConformingStore, _ cache: CacheName) throws {
        guard !cache.keepsDueRows else { return }
        let begin = now(store)
        let short = try store.put(cache, bytes("short"), bytes("x"), ttl: .seconds(2))
        try store.put(cache, bytes("cut"), bytes("x"), ttl: .seconds(600))
        try store.expire(cache, bytes("cut"), in: .seconds(1))
        let cut = now(store) + 1000
        for _ in 0..<30 {
            try look(store, cache, "cut", earliest: begin + 1000, latest: cut)
            try look(store, cache, "short", earliest: short.expiresAt, latest: now(store) < begin + 1000 ? .max : short.expiresAt)
            store.pass(.milliseconds(150))
        }
        #expect(try store.find(cache, bytes("short")) == nil)
    }

    private static func now(_ store: some ConformingStore) -> Int64 { store.clock?.now ?? SystemClock().now }

    /// There before `earliest`, gone a second after `latest`; a store's own clock may differ by what a busy machine takes.
    private static func look(
        _ store: some ConformingStore, _ cache: CacheName, _ key: String, earliest: Int64, latest: Int64
    ) throws {
        let before = now(store)
        let found = try store.find(cache, bytes(key))
        if now(store) < earliest { #expect(found != nil) }
        let late = store.clock == nil ? 1000 : Int64(0)
        if latest != .max, before >= latest + late { #expect(found == nil) }
    }
}
