import Foundation
import Glibc
import Platform
import Testing

@testable import Caching

/// Workers over one folder and one store.
struct Household {
    let server: RedisServer
    let log = LogLines()
    let timeout: Duration

    init(_ options: [String] = [], timeout: Duration = .seconds(3)) throws {
        server = try RedisServer(options)
        self.timeout = timeout
    }

    func worker(password: String? = nil, memory: Duration = .zero, ready: Bool = true) throws -> Caches {
        let caches = try Caches(
            CachesConfiguration(
                path: server.folder.file("cache.db"),
                dragonfly: DragonflyConfiguration(host: "unix:" + server.socket, password: password, timeout: timeout),
                memoryLifetime: memory, threads: 2),
            log: log.logger)
        caches.attach(TestWatcher())
        if ready {
            try wait(for: "the first probe") {
                caches.store.map { $0.isAnswering && $0.pipelines.open.load(ordering: .relaxed) == 2 } ?? false
            }
        }
        return caches
    }
}

func tier(_ caches: Caches, _ cache: CacheName, _ key: String) throws -> Tier? { try look(caches, cache, bytes(key))?.tier }
func value(_ caches: Caches, _ cache: CacheName, _ key: String) throws -> String? {
    try look(caches, cache, bytes(key)).map { String(decoding: $0.entry.value, as: UTF8.self) }
}

/// The key of an entry's copy, as the server has it.
func copyKey(_ caches: Caches, _ cache: CacheName, _ key: String) -> String {
    let place = caches.store?.key(cache, bytes(key))
    return String(decoding: (place?.prefix ?? []) + (place?.key ?? []), as: UTF8.self)
}

@Suite("DragonflyDB serves, and may do what it likes", .enabled(if: RedisServer.isInstalled))
struct DragonflyTests {
    @Test("a value is served from it, under a key that ends in the key's bytes, with the time that is left", arguments: CacheName.allCases)
    func served(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(cache, bytes("ns/key"), bytes("v"))
        #expect(try tier(worker, cache, "ns/key") == .dragonfly)
        let key = copyKey(worker, cache, "ns/key")
        let left = Int64(house.server.command("PTTL", key) ?? "") ?? 0
        let whole = worker.configuration.ttl[cache].wholeMilliseconds
        #expect((whole - 5000...whole).contains(left))
        try worker.put(cache, bytes("short"), bytes("v"), ttl: .seconds(9))
        let short = Int64(house.server.command("PTTL", copyKey(worker, cache, "short")) ?? "") ?? 0
        #expect((8000...9000).contains(short))
    }

    @Test("what was evicted or wiped is found in SQLite, and put back", arguments: CacheName.allCases)
    func refilled(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        try worker.put(cache, bytes("k"), bytes("v"))
        house.server.command("FLUSHALL")
        #expect(try tier(worker, cache, "k") == .sqlite)
        #expect(try tier(worker, cache, "k") == .dragonfly)
    }

    @Test("foreign values, other types, cut copies and copies of another cache.db are not served", arguments: CacheName.allCases)
    func garbage(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        let key = copyKey(worker, cache, "k")
        try worker.put(cache, bytes("k"), bytes("right"))
        for attack in [["SET", key, "garbage"], ["DEL", key], ["SETRANGE", key, "5", "xxxxxxxxxxxxxxxxxxxx"], ["APPEND", key, "x"]] {
            switch attack.count {
            case 2:
                house.server.command("DEL", key)
                house.server.command("LPUSH", key, "x")
            case 3: house.server.command(attack[0], attack[1], attack[2])
            default: house.server.command(attack[0], attack[1], attack[2], attack[3])
            }
            #expect(try value(worker, cache, "k") == "right")
            #expect(try look(worker, cache, bytes("k"))?.tier == .dragonfly)
        }
        worker.close()
        for suffix in ["", "-wal", "-shm"] { unlink(house.server.folder.file("cache.db" + suffix)) }
        let later = try house.worker()
        #expect(try look(later, cache, bytes("k")) == nil)
        try later.put(cache, bytes("k"), bytes("anew"))
        #expect(try value(later, cache, "k") == "anew")
        #expect(try tier(later, cache, "k") == .dragonfly)
    }

    @Test("a worker sees another's write and delete at once, whatever copy lies there", arguments: CacheName.allCases)
    func seen(_ cache: CacheName) throws {
        let house = try Household()
        let (one, two) = (try house.worker(memory: .seconds(3)), try house.worker(memory: .seconds(3)))
        for number in 0..<50 {
            try one.put(cache, bytes("k"), bytes("\(number)"))
            #expect(try value(two, cache, "k") == "\(number)")
            try two.delete(cache, bytes("k"))
            if let found = try look(one, cache, bytes("k")) { #expect(cache == .spotify && found.entry.expiresAt <= SystemClock().now) }
        }
    }

    @Test("a copy that arrives after a newer one does not replace it, and one that arrives late is compared with its row")
    func late() throws {
        let house = try Household()
        let worker = try house.worker()
        let old = try worker.put(.spotify, bytes("k"), bytes("old"))
        let copyEpoch = worker.shared.copyEpoch
        try worker.put(.spotify, bytes("k"), bytes("new"))
        let store = try #require(worker.store)
        let offer = CopyOffer(
            key: store.key(.spotify, bytes("k")),
            copy: StoredCopy(
                entry: old, epoch: worker.record.epoch, copyEpoch: copyEpoch, key: StoredCopy.hash(of: bytes("k"), in: .spotify)),
            milliseconds: 60_000)
        #expect(store.offer([offer], isCurrent: { _ in true }) == .taken)
        #expect(try value(worker, .spotify, "k") == "new")
        // The same carried out by a store that was asked before the newer write and answers after its failure.
        worker.shared.raiseCopyEpoch()
        store.set([offer])
        #expect(try value(worker, .spotify, "k") == "new")
        #expect(try tier(worker, .spotify, "k") == .dragonfly)
    }

    @Test("a writer or reader whose copy is late does not bring back what was replaced, though the newer copy was evicted meanwhile")
    func lateAfterEviction() throws {
        let house = try Household()
        let (one, two) = (try house.worker(), try house.worker())
        for isWriter in [true, false] {
            let copyEpoch = one.shared.copyEpoch
            let lifetime = Lifetime(nil, of: .spotify, keep: false, lifetimes: one.configuration.ttl)
            let old = try one.record.write { try $0.put(.spotify, bytes("k"), bytes("old"), lifetime) }
            // What another worker writes, and what the store does, before the first has come to tell of its own.
            try two.put(.spotify, bytes("k"), bytes("new"))
            house.server.command("FLUSHALL")
            if isWriter {
                one.publish(.spotify, [(key: bytes("k"), entry: old)], copyEpoch: copyEpoch)
            } else {
                one.fill(.spotify, bytes("k"), old, copyEpoch: copyEpoch, waits: true)
            }
            #expect(house.server.command("EXISTS", copyKey(one, .spotify, "k")) == "0")
            #expect(try value(two, .spotify, "k") == "new" && value(one, .spotify, "k") == "new")
            #expect(try tier(two, .spotify, "k") == .dragonfly)
        }
    }

    @Test(
        "a copy of another key or cache, cut or changed, is no copy: SQLite answers, it is counted, and put right",
        arguments: CacheName.allCases)
    func wrongCopies(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        let (key, other) = (copyKey(worker, cache, "k"), copyKey(worker, cache, "other"))
        let elsewhere = copyKey(worker, cache == .temp ? .user : .temp, "k")
        func write() throws {
            try worker.put(cache, bytes("k"), bytes("right"))
            // Newer than the right one, so nothing but its key speaks against it.
            try worker.put(cache, bytes("other"), bytes("wrong"))
            try worker.put(cache == .temp ? .user : .temp, bytes("k"), bytes("wrong"))
        }
        let attacks: [(String, () -> Void)] = [
            ("of another key", { house.server.command("COPY", other, key, "REPLACE") }),
            ("of another cache", { house.server.command("COPY", elsewhere, key, "REPLACE") }),
            ("of another version", { house.server.command("SETRANGE", key, "23", "\u{7F}") }),
            ("with another value", { house.server.command("SETRANGE", key, "64", "w") }),
            ("longer", { house.server.command("APPEND", key, "x") }),
        ]
        for (place, (what, attack)) in attacks.enumerated() {
            try write()
            attack()
            #expect(try value(worker, cache, "k") == "right", "\(what)")
            #expect(worker.store?.figures.wrongCopies == UInt64(place + 1), "\(what)")
            worker.backfill?.drain()
            #expect(try tier(worker, cache, "k") == .dragonfly, "\(what)")
            #expect(try value(worker, cache, "k") == "right", "\(what)")
        }
        #expect(house.log.count(containing: "something else under a key") == 1)
    }

    @Test("hosts that share a store have keys of their own, and each is served its own from it", arguments: CacheName.allCases)
    func twoHosts(_ cache: CacheName) throws {
        let house = try Household()
        let one = try house.worker()
        let folder = TemporaryFolder()
        let other = try Caches(
            CachesConfiguration(path: folder.file("cache.db"), dragonfly: one.configuration.dragonfly, memoryLifetime: .zero),
            log: house.log.logger)
        defer { other.close() }
        try wait(for: "the store") { other.store?.isAnswering == true }
        for round in 0..<3 {
            try one.put(cache, bytes("k"), bytes("one\(round)"))
            try other.put(cache, bytes("k"), bytes("other\(round)"))
            #expect(try value(one, cache, "k") == "one\(round)" && tier(one, cache, "k") == .dragonfly)
            #expect(try value(other, cache, "k") == "other\(round)" && tier(other, cache, "k") == .dragonfly)
        }
        #expect(copyKey(one, cache, "k") != copyKey(other, cache, "k"))
    }

    @Test("clearing the copies empties the store and loses nothing")
    func clearCopies() throws {
        let house = try Household()
        let worker = try house.worker()
        house.server.command("SET", "theirs", "x")
        try worker.put(.user, (0..<1200).map { (key: bytes("k\($0)"), value: bytes("v"), ttl: nil) })
        try worker.put(.spotify, bytes("r"), bytes("v"))
        try worker.clearCopies()
        try wait(for: "the sweep") { house.server.command("DBSIZE") == "1" }
        #expect(try value(worker, .user, "k7") == "v")
        #expect(try value(worker, .spotify, "r") == "v")
        #expect(house.server.command("GET", "theirs") == "x")
    }

    @Test("clearing a cache is seen at once by every worker, and its copies go", arguments: [CacheName.session, .temp])
    func clear(_ cache: CacheName) throws {
        let house = try Household()
        let (one, two) = (try house.worker(), try house.worker())
        try one.put(cache, (0..<100).map { (key: bytes("n*/\($0)"), value: bytes("v"), ttl: nil) })
        try one.put(cache, bytes("nX/1"), bytes("v"))
        #expect(try tier(two, cache, "n*/5") == .dragonfly)
        #expect(try one.clear(cache, prefix: bytes("n*/")) == 100)
        #expect(try look(two, cache, bytes("n*/5")) == nil)
        try wait(for: "the sweep") { house.server.command("DBSIZE") == "1" }
        #expect(try tier(two, cache, "nX/1") == .dragonfly)
    }

    @Test("several keys come in one exchange, from wherever they are", arguments: CacheName.allCases)
    func many(_ cache: CacheName) throws {
        let house = try Household()
        let worker = try house.worker()
        let keys = (0..<150).map { bytes("k\($0)") }
        try worker.put(cache, keys.map { (key: $0, value: $0, ttl: nil) })
        house.server.command("DEL", copyKey(worker, cache, "k3"))
        let found = try worker.get(cache, keys + [bytes("absent")])
        #expect(found.dropLast().map { $0?.entry.value } == keys)
        #expect(found.last == .some(nil))
        #expect(found[3]?.tier == .sqlite && found[4]?.tier == .dragonfly)
    }

    @Test("its INFO and a PING are at hand")
    func info() throws {
        let house = try Household()
        let worker = try house.worker()
        #expect(worker.storeInfo()?["redis_version"] != nil)
        #expect(worker.storeHealth()?.isConnected == true)
        #expect(worker.statistics().store?.isUsed == true)
    }
}
