import Foundation
import GRDB
import Testing

@testable import Platform

@Suite("Opening a database") struct SQLiteFileTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func file(_ journal: SQLiteFile.Journal, name: String = "a.db") -> SQLiteFile {
        SQLiteFile(path: folder.file(name), label: name, journal: journal, lockWait: .atMost(.seconds(5)))
    }

    @Test(
        "each journal is what it says, and so is what a power cut may take",
        arguments: [(.writeAheadLog, "wal", 1), (.persist, "persist", 2), (.truncate, "truncate", 2), (.untouched, "delete", 2)]
            as [(SQLiteFile.Journal, String, Int)])
    func journals(journal: SQLiteFile.Journal, mode: String, synchronous: Int) throws {
        let queue = try file(journal).open()
        try queue.write { try $0.execute(sql: "CREATE TABLE t (x)") }
        #expect(try queue.inDatabase { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == mode)
        #expect(try queue.inDatabase { try Int.fetchOne($0, sql: "PRAGMA synchronous") } == synchronous)
        let automatic = try queue.inDatabase { try Int.fetchOne($0, sql: "PRAGMA wal_autocheckpoint") }
        #expect(automatic == (journal == .writeAheadLog ? 0 : 1000))
    }

    @Test("settings of the connection are as they were asked for")
    func settings() throws {
        var file = file(.writeAheadLog)
        file.pageSize = 8192
        file.pragmas = ["cache_size = -2048", "temp_store = MEMORY"]
        file.enforcesForeignKeys = false
        let queue = try file.open()
        try queue.write { try $0.execute(sql: "CREATE TABLE t (x)") }
        for (pragma, value) in [("page_size", 8192), ("cache_size", -2048), ("temp_store", 2), ("foreign_keys", 0)] {
            #expect(try queue.inDatabase { try Int.fetchOne($0, sql: "PRAGMA \(pragma)") } == value)
        }
    }

    @Test("a journal that is not to be had is a fault")
    func noJournal() throws {
        var memory = file(.writeAheadLog)
        memory.path = ":memory:"
        #expect(throws: DatabaseFault.failed("the journal mode is memory, not wal")) { try memory.open() }
    }

    @Test("who only reads makes no file and changes nothing")
    func readOnly() throws {
        var reading = file(.untouched)
        reading.access = .readOnly
        #expect(throws: DatabaseError.self) { try reading.open() }
        #expect(FileStamp(path: reading.path) == nil)
        try file(.persist).open().write { try $0.execute(sql: "CREATE TABLE t (x); INSERT INTO t VALUES (5)") }
        let queue = try reading.open()
        #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT x FROM t") } == 5)
        #expect(throws: DatabaseError.self) { try queue.writeWithoutTransaction { try $0.execute(sql: "DELETE FROM t") } }
    }

    @Test("a file with any name is read as unchanging by its address")
    func immutable() throws {
        let name = "a b?c#d%41é.db"
        try file(.persist, name: name).open().write { try $0.execute(sql: "CREATE TABLE t (x); INSERT INTO t VALUES (5)") }
        var reading = file(.untouched, name: name)
        reading.access = .immutable
        #expect(try reading.open().read { try Int.fetchOne($0, sql: "SELECT x FROM t") } == 5)
        #expect(SQLiteFile.uri("/a b?c#d%41é", immutable: true) == "file:/a%20b%3Fc%23d%2541%C3%A9?immutable=1")
        #expect(SQLiteFile.uri("/x/y.db") == "file:/x/y.db")
    }

    @Test("a lock is waited for so long and no longer", arguments: [true, false])
    func waiting(inSteps: Bool) throws {
        var file = file(.persist)
        try file.open().write { try $0.execute(sql: "CREATE TABLE t (x)") }
        var unsafe = Configuration()
        unsafe.allowsUnsafeTransactions = true
        let holder = try DatabaseQueue(path: file.path, configuration: unsafe)
        try holder.writeWithoutTransaction { try $0.execute(sql: "BEGIN EXCLUSIVE") }
        file.lockWait = inSteps ? .steps(of: .milliseconds(1), atMost: .milliseconds(60)) : .atMost(.milliseconds(60))
        let start = SystemClock().monotonic
        do {
            // The journal mode is set under the lock of a reader, so opening may already meet it.
            try file.open().write { try $0.execute(sql: "INSERT INTO t VALUES (1)") }
            Issue.record("it was written")
        } catch {
            guard case .locked = DatabaseFault(error) else { throw error }
        }
        let waited = SystemClock().monotonic - start
        #expect(waited >= .milliseconds(40) && waited < .seconds(20))
        try holder.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
    }

    @Test("a file that was replaced since it was looked at is not opened in its place")
    func expecting() throws {
        let file = file(.persist)
        try file.open().write { try $0.execute(sql: "CREATE TABLE t (x)") }
        let identity = try #require(FileIdentity(path: file.path))
        _ = try file.open(expecting: identity)
        let other = FileIdentity(device: identity.device, inode: identity.inode &+ 1)
        #expect(throws: DatabaseError.self) { try file.open(expecting: other) }
    }

    @Test("SQLite's errors are told apart by what is to be done")
    func faults() throws {
        let cases: [(ResultCode, DatabaseFault)] = [
            (.SQLITE_BUSY, .locked("x")), (.SQLITE_READONLY, .readOnly("x")), (.SQLITE_FULL, .diskFull("x")),
            (.SQLITE_CORRUPT, .damaged("x")),
            (.SQLITE_NOTADB, .damaged("x")), (.SQLITE_CANTOPEN, .cannotOpen("x")), (.SQLITE_IOERR, .failed("x (10)")),
            (.SQLITE_BUSY_SNAPSHOT, .locked("x")),
        ]
        for (code, fault) in cases { #expect(DatabaseFault(DatabaseError(resultCode: code, message: "x")) == fault) }
        #expect(DatabaseFault(DatabaseFault.foreign(applicationID: 3)) == .foreign(applicationID: 3))
        #expect(DatabaseFault(SystemError("open", code: 2)) == .failed("open: No such file or directory"))
        #expect(DatabaseFault.damaged("x").isDamage && !DatabaseFault.locked("x").isDamage)
        #expect(DatabaseFault.newerSchema(found: 2, known: 1).description == "has schema 2, this program knows schemas up to 1")
        // No statement in it: that may hold what a user typed.
        let queue = try file(.persist).open()
        do { try queue.write { try $0.execute(sql: "INSERT INTO nowhere VALUES ('secret')") } } catch {
            #expect(!"\(DatabaseFault(error))".contains("secret"))
        }
    }

    @Test("a damaged file is seen, a sound one passes")
    func soundness() throws {
        let queue = try file(.persist).open()
        try queue.write { db in
            try db.execute(sql: "CREATE TABLE t (x UNIQUE)")
            for number in 0..<500 { try db.execute(sql: "INSERT INTO t VALUES (?)", arguments: ["value \(number)"]) }
            try db.checkSoundness()
        }
        try queue.close()
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file("a.db")))
        try handle.seek(toOffset: 4096)
        try handle.write(contentsOf: Data(repeating: 0xff, count: 4096 * 4))
        try handle.close()
        do {
            try file(.untouched).open().inDatabase { try $0.checkSoundness() }
            Issue.record("the damage was not seen")
        } catch {
            #expect(DatabaseFault(error).isDamage)
        }
    }
}

@Suite("Schema steps") struct SchemaStepTests {
    private let folder: TemporaryFolder
    private let steps = SchemaSteps(
        applicationID: 0x5445_5354, sql: ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y; CREATE TABLE b (x)"])
    init() throws { folder = try TemporaryFolder() }

    private func opened(_ name: String = "a.db") throws -> DatabaseQueue {
        try SQLiteFile(path: folder.file(name), label: name, journal: .persist, lockWait: .atMost(.seconds(10))).open()
    }

    private func migrate(_ queue: DatabaseQueue, _ steps: SchemaSteps? = nil) throws -> Int {
        try queue.writeWithoutTransaction { try (steps ?? self.steps).migrate($0) }
    }

    @Test("a new file takes all steps and is marked, and takes none a second time")
    func new() throws {
        let queue = try opened()
        var filled = 0
        for found in [0, 2] {
            let result = try queue.writeWithoutTransaction { db in
                try steps.migrate(db) { db in
                    try db.execute(sql: "INSERT INTO b VALUES (1)")
                    filled += 1
                }
            }
            #expect(result == found)
        }
        #expect(filled == 1 && steps.version == 2)
        #expect(try queue.read { try SchemaSteps.version(of: $0) } == 2)
        #expect(try queue.read { try Int.fetchOne($0, sql: "PRAGMA application_id") } == 0x5445_5354)
        #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM b") } == 1)
    }

    @Test("a file of the version before takes the steps it lacks and keeps what it holds")
    func upgrade() throws {
        let queue = try opened()
        #expect(try migrate(queue, steps.through(1)) == 0)
        try queue.write { try $0.execute(sql: "INSERT INTO a VALUES ('kept')") }
        #expect(try migrate(queue) == 1)
        #expect(try queue.read { try String.fetchOne($0, sql: "SELECT x FROM a WHERE y IS NULL") } == "kept")
    }

    @Test("a newer release's file is refused and left alone")
    func newer() throws {
        let queue = try opened()
        #expect(try migrate(queue) == 0)
        #expect(throws: DatabaseFault.newerSchema(found: 2, known: 1)) { try migrate(queue, steps.through(1)) }
        #expect(try queue.read { try SchemaSteps.version(of: $0) } == 2)
        #expect(try queue.read { try steps.check($0) } == 2)
    }

    @Test("another program's database is refused and left alone", arguments: ["CREATE TABLE songs (x)", "PRAGMA application_id = 7"])
    func foreign(sql: String) throws {
        let queue = try opened()
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        let owner: Int32 = sql.hasPrefix("CREATE") ? 0 : 7
        #expect(throws: DatabaseFault.foreign(applicationID: owner)) { try migrate(queue) }
        #expect(try queue.read { try SchemaSteps.version(of: $0) } == 0)
    }

    @Test("files of a version that was released without a mark are the program's, and are marked")
    func unmarked() throws {
        let queue = try opened()
        try queue.writeWithoutTransaction { try $0.execute(sql: "CREATE TABLE a (x); PRAGMA user_version = 1") }
        #expect(throws: DatabaseFault.foreign(applicationID: 0)) { try migrate(queue) }
        let lenient = SchemaSteps(applicationID: steps.applicationID, unmarked: [1], steps.steps)
        #expect(try migrate(queue, lenient) == 1)
        #expect(try migrate(queue) == 2)
    }

    @Test("when a step fails the file stays as it was")
    func failure() throws {
        let queue = try opened()
        #expect(try migrate(queue) == 0)
        let broken = steps.through(
            2, then: [{ try $0.execute(sql: "CREATE TABLE c (x)") }, { try $0.execute(sql: "ALTER TABLE no ADD x") }])
        #expect(throws: DatabaseError.self) { try migrate(queue, broken) }
        #expect(try queue.read { try SchemaSteps.version(of: $0) } == 2)
        #expect(try queue.read { try !$0.tableExists("c") })
    }

    @Test("within a transaction the steps are a part of it")
    func within() throws {
        let queue = try opened()
        var found = -1
        try queue.inDatabase { db in
            try db.inTransaction(.exclusive) {
                found = try steps.migrate(db)
                return .rollback
            }
        }
        #expect(found == 0)
        #expect(try queue.read { try SchemaSteps.version(of: $0) } == 0)
        #expect(try queue.read { try !$0.tableExists("a") })
    }

    @Test("of many that start at once one takes the steps")
    func race() throws {
        let found = Locked<[Int]>([])
        DispatchQueue.concurrentPerform(iterations: 6) { _ in
            if let result = try? migrate(opened()) { found.withLock { $0.append(result) } }
        }
        #expect(found.withLock { $0.sorted() } == [0, 2, 2, 2, 2, 2])
    }
}

@Suite("The connection pool") struct ConnectionPoolTests {
    private final class Connection: Sendable {
        let number: Int
        init(_ number: Int) { self.number = number }
    }

    @Test("the one that was put back last is lent first")
    func warm() {
        let pool = ConnectionPool<Int>()
        for number in 1...3 { pool.put(number) }
        #expect(pool.count == 3 && pool.take() == 3 && pool.take() == 2 && pool.take() == 1 && pool.take() == nil)
    }

    @Test("one is opened where none rests, and is kept for the next")
    func opening() {
        let pool = ConnectionPool<Int>()
        var opened = 0
        for _ in 0..<3 {
            let lent = pool.borrow {
                opened += 1
                return opened
            } _: { connection in
                #expect(pool.count == 0)
                return connection
            }
            #expect(lent == 1)
        }
        #expect(opened == 1 && pool.count == 1)
    }

    @Test("one that failed is not lent again")
    func failing() {
        let pool = ConnectionPool<Int>()
        #expect(throws: SystemError.self) {
            try pool.borrow { () throws(SystemError) in
                1
            } _: { (_: Int) throws(SystemError) -> Int in
                throw SystemError("read", code: 5)
            }
        }
        #expect(pool.count == 0)
    }

    @Test("when the newest is of no use, none of the older ones is")
    func stale() {
        let pool = ConnectionPool<Int>()
        for number in 1...3 { pool.put(number) }
        #expect(pool.take { $0 > 5 } == nil && pool.count == 0)
        pool.put(6)
        #expect(pool.take { $0 > 5 } == 6)
    }

    @Test("no more than so many rest, and after closing none")
    func bounded() {
        let pool = ConnectionPool<Connection>(most: 2)
        weak var kept: Connection?
        do {
            let connections = (1...3).map(Connection.init)
            connections.forEach(pool.put)
            kept = connections[1]
        }
        #expect(pool.count == 2 && kept != nil)
        pool.close()
        #expect(pool.count == 0 && kept == nil)
        pool.put(Connection(4))
        #expect(pool.count == 0)
    }
}
