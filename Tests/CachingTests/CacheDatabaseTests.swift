import Foundation
import GRDB
import Glibc
import Platform
import Testing

@testable import Caching

@Suite("cache.db when something is wrong with it")
struct CacheDatabaseTests {
    private func damage(_ path: String, at offset: Int, count: Int) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: Data(repeating: 0x5A, count: count))
        try file.close()
    }

    private func asideFiles(_ bench: TemporaryFolder) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: bench.path)) ?? []).filter { $0.contains(".damaged-") }
    }

    @Test("it writes ahead, checkpoints nowhere by itself, and syncs as WAL allows")
    func settings() throws {
        let bench = try Bench()
        let settings = try bench.caches.record.tend { db in
            try [
                String.fetchOne(db, sql: "PRAGMA journal_mode"), String.fetchOne(db, sql: "PRAGMA wal_autocheckpoint"),
                String.fetchOne(db, sql: "PRAGMA synchronous"), String.fetchOne(db, sql: "PRAGMA page_size"),
            ]
        }
        #expect(settings == ["wal", "0", "1", "8192"])
    }

    @Test("what is no database is set aside at the start, and the log says so")
    func notADatabase() throws {
        let folder = TemporaryFolder()
        try Data(repeating: 7, count: 20000).write(to: URL(fileURLWithPath: folder.file("cache.db")))
        let bench = try Bench(folder: folder)
        try bench.caches.put(.temp, bytes("k"), bytes("v"))
        #expect(try bench.caches.get(.temp, bytes("k")) != nil)
        #expect(asideFiles(folder).count == 1)
        #expect(bench.log.count(containing: "set aside") == 1)
    }

    @Test("a damaged page is found at the next start, and an empty file begun")
    func damagedAtStart() throws {
        let folder = TemporaryFolder()
        do {
            let bench = try Bench(folder: folder)
            try bench.caches.put(.temp, (0..<500).map { (key: bytes("k\($0)"), value: [UInt8](repeating: 1, count: 500), ttl: nil) })
            bench.caches.close()
        }
        try damage(folder.file("cache.db"), at: 8192 * 20, count: 8192)
        let clock = ManualClock(wall: SystemClock().now + 3_600_000)
        let bench = try Bench(folder: folder, clock: clock)
        _ = try? bench.caches.get(.temp, bytes("k1"))
        let opened = try Bench(folder: folder, clock: clock)
        try opened.caches.put(.temp, bytes("k"), bytes("v"))
        #expect(try bench.caches.get(.temp, bytes("k")) != nil)
    }

    @Test("damage since the last stop is found before anything is acknowledged, however short ago the file was checked")
    func damagedBetweenStarts() throws {
        let folder = TemporaryFolder()
        for _ in 0..<2 {
            let bench = try Bench(folder: folder)
            try bench.caches.put(.temp, (0..<500).map { (key: bytes("k\($0)"), value: [UInt8](repeating: 1, count: 500), ttl: nil) })
            bench.caches.close()
        }
        try damage(folder.file("cache.db"), at: 8192 * 20, count: 8192)
        let bench = try Bench(folder: folder)
        #expect(bench.log.count(containing: "set aside") == 1)
        try bench.caches.put(.temp, bytes("k1"), bytes("v"))
        for number in 0..<500 { _ = try bench.caches.get(.temp, bytes("k\(number)")) }
        #expect(try bench.caches.get(.temp, bytes("k1"))?.entry.value == bytes("v"))
        #expect(bench.log.count(containing: "set aside") == 1)
    }

    @Test("the file is checked once by workers that start beside each other, and again when it is another one")
    func checkedOnce() throws {
        let one = try Bench()
        try one.caches.put(.temp, (0..<500).map { (key: bytes("k\($0)"), value: [UInt8](repeating: 1, count: 500), ttl: nil) })
        let two = try one.another()
        _ = try one.caches.record.tend { db in Maintenance.checkpoint(db) }
        try damage(one.folder.file("cache.db"), at: 8192 * 20, count: 8192)
        let three = try one.another()
        #expect(asideFiles(one.folder).isEmpty)
        let path = one.folder.file("cache.db")
        let copy = try Data(contentsOf: URL(fileURLWithPath: path))
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        try copy.write(to: URL(fileURLWithPath: path))
        let four = try one.another()
        #expect(!asideFiles(one.folder).isEmpty)
        withExtendedLifetime((two, three, four)) {}
    }

    @Test("damage that shows while it serves is set aside by one worker, and all go on with the new file")
    func damagedWhileServing() throws {
        let one = try Bench()
        let two = try one.another()
        let value = [UInt8](repeating: 1, count: 700)
        try one.caches.put(.temp, (0..<2000).map { (key: bytes("k\($0)"), value: value, ttl: nil) })
        #expect(try two.caches.get(.temp, bytes("k5")) != nil)
        _ = try one.caches.record.tend { db in Maintenance.checkpoint(db) }
        let size = try #require(FileStamp(path: one.folder.file("cache.db"))).size
        for shared in stride(from: 8192, to: Int(size), by: 8192) { try damage(one.folder.file("cache.db"), at: shared, count: 64) }
        for number in 0..<2000 {
            #expect(try two.caches.get(.temp, bytes("k\(number)")).map { $0.entry.value == value } ?? true)
        }
        #expect(asideFiles(one.folder).contains { !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") })
        try two.caches.put(.temp, bytes("fresh"), bytes("v"))
        #expect(try one.caches.get(.temp, bytes("fresh"))?.entry.value == bytes("v"))
        try one.caches.put(.temp, bytes("fresh"), bytes("w"))
        #expect(try two.caches.get(.temp, bytes("fresh"))?.entry.value == bytes("w"))
        #expect(one.log.count(containing: "set aside") == 1)
    }

    @Test("a newer release's file is refused and left alone")
    func newerSchema() throws {
        let folder = TemporaryFolder()
        try Bench(folder: folder).caches.close()
        let queue = try DatabaseQueue(path: folder.file("cache.db"))
        try queue.write { try $0.execute(sql: "PRAGMA user_version = 99") }
        try queue.close()
        #expect(throws: CacheError.newerSchema(found: 99, known: CacheSchema.steps.version)) { _ = try Bench(folder: folder) }
        #expect(asideFiles(folder).isEmpty)
    }

    @Test("another program's database is refused and left alone")
    func foreign() throws {
        let folder = TemporaryFolder()
        let queue = try DatabaseQueue(path: folder.file("cache.db"))
        try queue.write { try $0.execute(sql: "CREATE TABLE theirs (x)") }
        try queue.close()
        #expect(throws: CacheError.self) { _ = try Bench(folder: folder) }
        #expect(asideFiles(folder).isEmpty)
    }

    @Test("a file that somebody took away is noticed by the next write, and no write is lost on the old one")
    func takenAway() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.temp, bytes("k"), bytes("old"))
        #expect(try two.caches.get(.temp, bytes("k")) != nil)
        for suffix in ["", "-wal", "-shm"] { unlink(one.folder.file("cache.db" + suffix)) }
        try one.caches.put(.temp, bytes("n"), bytes("new"))
        #expect(try two.caches.get(.temp, bytes("n"))?.entry.value == bytes("new"))
        #expect(try two.caches.get(.temp, bytes("k")) == nil)
    }

    @Test("a full disk refuses writes with the reason, said once, and reads go on")
    func full() throws {
        let bench = try Bench()
        try bench.caches.put(.session, bytes("k"), bytes("v"))
        let pages = try #require(try bench.caches.record.tend { try Int.fetchOne($0, sql: "PRAGMA page_count") } ?? nil)
        _ = try bench.caches.record.tend { try $0.execute(sql: "PRAGMA max_page_count = \(pages + 1)") }
        let large = [UInt8](repeating: 1, count: 100_000)
        for _ in 0..<3 {
            #expect { try bench.caches.put(.session, bytes("n"), large) } throws: { error in
                guard case CacheError.cannotWrite(let reason) = error else { return false }
                return reason.contains("full")
            }
        }
        #expect(try bench.caches.get(.session, bytes("k")) != nil)
        #expect(bench.log.count(containing: "cannot be written") == 1)
        #expect(bench.caches.statistics().writeRefusal != nil)
        _ = try bench.caches.record.tend { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        try bench.caches.put(.session, bytes("n"), large)
        #expect(bench.log.count(containing: "can be written again") == 1)
        #expect(bench.caches.statistics().writeRefusal == nil)
    }

    @Test("a writer that another process holds up gives up after some 1.5 s, and reads go on meanwhile")
    func heldUp() throws {
        let one = try Bench()
        let two = try one.another()
        try one.caches.put(.temp, bytes("k"), bytes("v"))
        #expect(one.caches.shared.gate.open(within: .milliseconds(1)))
        let begin = SystemClock().monotonic
        #expect(throws: CacheError.self) { try two.caches.put(.temp, bytes("k"), bytes("w")) }
        #expect((Duration.milliseconds(1000)...(.milliseconds(2500))).contains(SystemClock().monotonic - begin))
        #expect(try two.caches.get(.temp, bytes("k"))?.entry.value == bytes("v"))
        one.caches.shared.gate.close()
        try two.caches.put(.temp, bytes("k"), bytes("w"))
    }

    @Test("only one worker keeps house, and another takes over when it is gone")
    func oneHolder() throws {
        let one = try Bench()
        do {
            let two = try one.another()
            try two.caches.put(.temp, bytes("k"), bytes("v"))
            one.clock.advance(.seconds(3600))
            #expect(two.caches.shared.maintenance?.tryLock() == true)
            try one.caches.maintain()
            #expect(one.caches.count(.temp) == 1)
            two.caches.close()
        }
        try one.caches.maintain()
        #expect(one.caches.count(.temp) == 0)
    }

    @Test("the log is carried over into the file")
    func checkpoint() throws {
        let bench = try Bench()
        try bench.caches.put(.temp, bytes("k"), [UInt8](repeating: 1, count: 500_000))
        #expect((FileStamp(path: bench.folder.file("cache.db-wal"))?.size ?? 0) > 500_000)
        try bench.caches.maintain()
        #expect(FileStamp(path: bench.folder.file("cache.db-wal"))?.size == 0)
        #expect(try bench.caches.get(.temp, bytes("k")) != nil)
    }
}

@Suite("A large file")
struct LargeFileTests {
    @Test("is checked while it serves, once, and set aside when it is damaged")
    func checkedLater() throws {
        let bench = try Bench()
        let value = [UInt8](repeating: 1, count: 1 << 20)
        for number in 0..<40 { try bench.caches.put(.temp, bytes("k\(number)"), value, keep: true) }
        try bench.caches.maintain()
        // The last that the check does is to say so.
        try wait(for: "the check", seconds: 60) { bench.log.count(containing: "is sound") == 1 }
        let checkedAt = try bench.caches.record.read { reader throws(SQLiteFailure) in
            try reader.number("SELECT checked_at FROM state")
        }
        #expect(checkedAt > 0)
        bench.caches.close()

        // The list of free pages, which no read looks at.
        let file = try #require(FileHandle(forUpdatingAtPath: bench.folder.file("cache.db")))
        try file.seek(toOffset: 32)
        try file.write(contentsOf: Data([0, 0, 0, 9, 0, 0, 0, 40]))
        try file.close()
        bench.clock.advance(.seconds(7200))
        let later = try bench.another()
        #expect(try later.caches.get(.temp, bytes("k1")) != nil)
        try later.caches.maintain()
        try wait(for: "the check", seconds: 60) { later.log.count(containing: "set aside") == 1 }
        #expect(try later.caches.get(.temp, bytes("k1")) == nil)
    }
}
