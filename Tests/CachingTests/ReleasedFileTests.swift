import CSystem
import Foundation
import GRDB
import Glibc
import Platform
import Testing

@testable import Caching

/// Files as the releases so far write them, spelled out: workers of two releases share them while they are replaced.
@Suite("What a release has written the next one reads, and the other way round") struct ReleasedFileTests {
    private let folder = TemporaryFolder()

    private static let tables = """
        CREATE TABLE state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch INTEGER NOT NULL,
            counter INTEGER NOT NULL,
            checked_at INTEGER NOT NULL DEFAULT 0
        );
        CREATE TABLE entries (
            id INTEGER PRIMARY KEY,
            cache INTEGER NOT NULL,
            key BLOB NOT NULL,
            version INTEGER NOT NULL,
            stored_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            value BLOB NOT NULL
        );
        CREATE UNIQUE INDEX entries_key ON entries (cache, key);
        CREATE INDEX entries_expiry ON entries (cache, expires_at);
        CREATE TABLE uses (
            id INTEGER PRIMARY KEY,
            used_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL
        );
        CREATE INDEX uses_due ON uses (expires_at, used_at);
        CREATE INDEX uses_age ON uses (used_at);
        CREATE TABLE clearings (
            cache INTEGER NOT NULL,
            prefix BLOB NOT NULL,
            version INTEGER NOT NULL,
            cursor BLOB NOT NULL DEFAULT x'',
            PRIMARY KEY (cache, prefix)
        );
        CREATE TABLE totals (
            cache INTEGER PRIMARY KEY,
            rows INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0,
            written_at INTEGER NOT NULL DEFAULT 0
        );
        CREATE TABLE namespaces (
            cache INTEGER NOT NULL,
            name BLOB NOT NULL,
            rows INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            written_at INTEGER NOT NULL,
            PRIMARY KEY (cache, name)
        ) WITHOUT ROWID;
        """
    private static let settings = ["application_id", "user_version", "page_size", "journal_mode"]
    private static let released = ["1397113699", "3", "8192", "wal"]
    /// What the second release added.
    private static let clock = """
        ALTER TABLE state ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE state ADD COLUMN clock_offset INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE state ADD COLUMN clock_since INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE state ADD COLUMN boot_version INTEGER NOT NULL DEFAULT 0;
        """
    /// What the third release added.
    private static let habits = """
        ALTER TABLE uses ADD COLUMN occasion_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE uses ADD COLUMN used_before INTEGER NOT NULL DEFAULT 0;
        """

    private func settings(of path: String) throws -> [String?] {
        try DatabaseQueue(path: path).inDatabase { db in
            try Self.settings.map { try String.fetchOne(db, sql: "PRAGMA \($0)") }
        }
    }

    @Test("cache.db of schema 1 takes the later steps and is used as it is")
    func oldDatabase() throws {
        let queue = try DatabaseQueue(path: folder.file("cache.db"))
        try queue.inDatabase { db in
            try db.execute(
                sql: """
                    PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; BEGIN; \(Self.tables)
                    PRAGMA application_id = 0x53464363; PRAGMA user_version = 1;
                    INSERT INTO state (id, epoch, counter) VALUES (1, -77, 5000);
                    INSERT INTO entries (cache, key, version, stored_at, expires_at, value)
                        VALUES (0, CAST('r/1' AS BLOB), 4000, 10, 20, CAST('a record' AS BLOB)),
                               (2, CAST('name' AS BLOB), 4001, 10, 9223372036854775807, CAST('kept' AS BLOB));
                    INSERT INTO totals VALUES (0, 1, 11, 10), (1, 0, 0, 0), (2, 1, 8, 10), (3, 0, 0, 0);
                    INSERT INTO namespaces VALUES (0, CAST('r' AS BLOB), 1, 11, 10), (2, x'', 1, 8, 10);
                    COMMIT;
                    """)
        }
        try queue.close()
        let bench = try Bench(folder: folder)
        #expect(bench.caches.record.epoch == -77)
        let record = Entry(value: bytes("a record"), version: 4000, storedAt: 10, expiresAt: 20)
        #expect(try bench.caches.get(.spotify, bytes("r/1"))?.entry == record)
        #expect(try bench.caches.get(.user, bytes("name"))?.entry.expiresAt == .max)
        #expect(bench.caches.count(.user) == 1 && bench.log.lines.isEmpty)
        #expect(try bench.caches.put(.user, bytes("new"), bytes("v")).version > 5000)
        #expect(try settings(of: folder.file("cache.db")) == Self.released)
    }

    @Test("a cache.db that is made now has the tables and settings of schema 3, to the letter")
    func newDatabase() throws {
        let bench = try Bench(folder: folder)
        bench.caches.close()
        #expect(try settings(of: folder.file("cache.db")) == Self.released)
        func schema(_ queue: DatabaseQueue) throws -> [String] {
            try queue.inDatabase { try String.fetchAll($0, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name") }
        }
        let old = try DatabaseQueue()
        try old.inDatabase { try $0.execute(sql: Self.tables + Self.clock + Self.habits) }
        #expect(try schema(DatabaseQueue(path: folder.file("cache.db"))) == schema(old))
    }

    @Test("cache.db.shared is where each number was, and workers of both releases see what the other counts")
    func sharedPage() throws {
        let path = folder.file("cache.db.shared")
        var page = [UInt8](repeating: 0, count: 40960)
        func put(_ number: UInt64, at offset: Int) {
            page.withUnsafeMutableBytes { $0.storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt64.self) }
        }
        let (layout, seed, generation, copyEpoch): (UInt64, UInt64, UInt64, UInt64) = (0x5347_4143_4845_0001, 0xABCD, 1234, 99)
        for (offset, number) in [(0, layout), (8, seed), (16, generation), (24, copyEpoch), (1024, 7), (4096 + 8 * 4, 3)] {
            put(number, at: offset)
        }
        #expect(FileManager.default.createFile(atPath: path, contents: Data(page)))
        let shared = try SharedState(path: path)
        #expect(shared.isShared)
        #expect(shared.seed == seed && shared.generation == generation && shared.copyEpoch == copyEpoch)
        #expect(shared.invalidations(8) == 3 && shared.invalidations(8 + 8192) == 3)
        #expect(shared.addToCounter(0, adding: 1) == 8)
        shared.countInvalidation(8)
        shared.raiseGeneration()
        shared.raiseCopyEpoch()
        shared.noteReadOnly()
        // As the release before sees it: the file's own bytes.
        let now = try #require(FileManager.default.contents(atPath: path))
        #expect(now.count == page.count)
        for (offset, number) in [(16, generation + 1), (24, copyEpoch + 1), (32, 1), (1024, 8), (4096 + 8 * 4, 4)] {
            put(number, at: offset)
        }
        #expect([UInt8](now) == page)
    }

    @Test("a cache.db.shared that is made now begins with its layout, its numbers and nothing else")
    func newPage() throws {
        let path = folder.file("cache.db.shared")
        let shared = try SharedState(path: path)
        let page = [UInt8](try #require(FileManager.default.contents(atPath: path)))
        #expect(page.count == 40960)
        func number(_ offset: Int) -> UInt64 {
            page.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
        }
        #expect(number(0) == 0x5347_4143_4845_0001)
        #expect(number(8) == shared.seed && number(16) == shared.generation && number(24) == shared.copyEpoch)
        #expect(page[32...].allSatisfy { $0 == 0 })
    }

    @Test("the locks are on the bytes they were on", arguments: [0, 1] as [Int64])
    func locks(byte: Int64) throws {
        let shared = try SharedState(path: folder.file("cache.db.shared"))
        let other = open(folder.file("cache.db.shared"), O_RDWR | O_CLOEXEC)
        defer { close(other) }
        #expect(csys_lock_byte(other, byte, 1) == 0)
        #expect(shared.gate.open(within: .milliseconds(5)) == (byte != 0))
        #expect(shared.maintenance?.tryLock() == (byte != 1))
    }

    @Test("while the page is being made there is no worker that does without the others: it waits, and then sees them")
    func made() throws {
        let path = folder.file("cache.db.shared")
        let maker = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o660)
        defer { close(maker) }
        #expect(csys_lock_byte(maker, 2, 1) == 0)
        let shared = Locked<SharedState?>(nil)
        let thread = try WorkerThread.start(named: "opener") {
            let state = try? SharedState(path: path)
            shared.withLock { $0 = state }
        }
        #expect(!thread.join(within: .milliseconds(1500)), "it has not gone on alone after the second that a maker gets")
        #expect(csys_lock_byte(maker, 2, 0) == 0)
        #expect(thread.join(within: .seconds(10)))
        let state = try #require(shared.withLock { $0 })
        #expect(try state.isShared && state.seed == SharedState(path: path).seed)
    }
}
