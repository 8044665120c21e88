import GRDB
import GRDBSQLite
import Glibc
import Platform

/// One opening of `cache.db`: a connection that writes, and a pool of connections that read. It is replaced as a whole
/// when the file is.
final class CacheDatabaseFile: Sendable {
    let path: String
    let identity: FileIdentity
    /// The shared page's generation under which it was opened.
    let generation: UInt64
    /// Random, made with the file: a copy in DragonflyDB that names another is of another file.
    let epoch: Int64
    /// nil: the file cannot be written, and `refusal` says why.
    let writer: DatabaseQueue?
    let refusal: String?
    private let address: ReadAddress
    private let readers = ConnectionPool<EntryReader>()

    /// How the reading connections open the file.
    private struct ReadAddress {
        /// sqlite.org/uri.html
        let uri: String
        let isReadOnly: Bool
    }

    /// Opens the file, makes it when there is none, and takes the steps of the schema that are missing. The caller holds
    /// the gate, so that nobody moves the file meanwhile.
    /// - Parameter isInUse: another process has it open, and has found it sound.
    init(path: String, generation: UInt64, threads: Int, isInUse: Bool, clock: any HostClock) throws(OpeningFailure) {
        self.path = path
        self.generation = generation
        switch try CacheDatabaseOpening.writer(path, isInUse: isInUse, clock) {
        case .writable(let queue):
            (writer, refusal) = (queue, nil)
            address = ReadAddress(uri: SQLiteFile.uri(path), isReadOnly: false)
        case .readOnly(let reason):
            (writer, refusal) = (nil, reason)
            // A read-only WAL database without a log and its index can be read only when nobody changes it
            // (sqlite.org/wal.html, "Read-Only Databases").
            let hasLog = FileStamp(path: path + "-wal").map { $0.size > 0 } ?? false
            address = ReadAddress(uri: SQLiteFile.uri(path, immutable: !hasLog), isReadOnly: true)
        }
        do throws(SQLiteFailure) {
            let reader = try Self.reader(address)
            identity = FileIdentity(path: path) ?? FileIdentity(device: 0, inode: 0)
            epoch = try reader.number("SELECT epoch FROM state")
            readers.put(reader)
            for _ in 1..<max(threads, 1) { readers.put(try Self.reader(address)) }
        } catch {
            throw error.isDamage ? .damaged(error.message) : .failed(error.message)
        }
    }

    /// Lends a connection; `opening` makes one more when all are lent (the caller then holds the gate, see
    /// `CacheDatabase`).
    func borrow<Result>(
        opening: (() throws(SQLiteFailure) -> EntryReader) throws(SQLiteFailure) -> EntryReader,
        _ body: (EntryReader) throws(SQLiteFailure) -> Result
    ) throws(SQLiteFailure) -> Result {
        try readers.borrow(
            opening: { () throws(SQLiteFailure) in
                try opening { () throws(SQLiteFailure) in try Self.reader(self.address) }
            }, body)
    }

    /// Lets go of the connections at rest; those that are lent go when they come back.
    func close() {
        readers.close()
        try? writer?.close()
    }

    private static func reader(_ address: ReadAddress) throws(SQLiteFailure) -> EntryReader {
        let reader = try EntryReader(uri: address.uri, readOnly: address.isReadOnly)
        try reader.check()
        return reader
    }
}

enum OpeningFailure: Error {
    /// Not a database, or not a sound one: it is to be set aside.
    case damaged(String)
    case newerSchema(found: Int, known: Int)
    case failed(String)
}

/// The opening of `cache.db` for writing: settings, schema, and a first look at whether it is sound.
enum CacheDatabaseOpening {
    enum Writer {
        case writable(DatabaseQueue)
        case readOnly(String)
    }

    /// Up to this size the whole file is checked before it is used (some 50 ms); a larger one is checked while it serves.
    static let checkedAtOnce: Int64 = 32 << 20

    static func writer(_ path: String, isInUse: Bool, _ clock: any HostClock) throws(OpeningFailure) -> Writer {
        if FileIdentity(path: path) == nil {
            // A log without its database is of a file that was moved away: it must not meet a new one.
            for suffix in ["-wal", "-shm", "-journal"] { unlink(path + suffix) }
        }
        do {
            let queue = try opened(path)
            try queue.writeWithoutTransaction { db in
                if try CacheSchema.steps.migrate(db) > 0 { try check(db, isInUse: isInUse, now: clock.now) }
            }
            return .writable(queue)
        } catch let failure as OpeningFailure {
            throw failure
        } catch let error as DatabaseError {
            switch error.resultCode {
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: throw .damaged(error.message ?? "not a database")
            case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_PERM:
                guard FileIdentity(path: path) != nil else { throw .failed(reason(error)) }
                return .readOnly(reason(error))
            default: throw .failed(reason(error))
            }
        } catch {
            switch DatabaseFault(error) {
            case .damaged(let finding): throw .damaged(finding)
            case .newerSchema(let found, let known): throw .newerSchema(found: found, known: known)
            case .foreign: throw .failed("cache.db is another program's database")
            case let fault: throw .failed("\(fault)")
            }
        }
    }

    /// Checkpoints are made in `maintain()` only: a caller never pays for one.
    private static func opened(_ path: String) throws -> DatabaseQueue {
        let file = SQLiteFile(
            path: path, label: "cache.db", journal: .writeAheadLog, lockWait: .atMost(.seconds(1)), enforcesForeignKeys: false,
            pageSize: 8192, pragmas: ["cache_size = -2048", "temp_store = MEMORY"])
        do {
            return try file.open()
        } catch DatabaseFault.failed(let reason) {
            throw OpeningFailure.failed("the file system does not allow write-ahead logging (\(reason))")
        }
    }

    /// SQLite's words without the statement, which may hold a caller's key.
    static func reason(_ error: DatabaseError) -> String {
        "\(error.message ?? error.resultCode.description) (SQLite \(error.extendedResultCode.rawValue))"
    }

    /// Whether a text made by `reason` is about the full disk.
    static func isDiskFull(_ reason: String) -> Bool { reason.hasSuffix("(SQLite \(ResultCode.SQLITE_FULL.rawValue))") }

    /// The whole check of a small file, unless another worker has just made it, and has the file open since. After that anybody may have
    /// done anything to the file, and what is acknowledged before damage shows is lost with it.
    private static func check(_ db: Database, isInUse: Bool, now: Int64) throws {
        let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        let checked = try Int64.fetchOne(db, sql: "SELECT checked_at FROM state") ?? 0
        guard pages * 8192 <= checkedAtOnce, !(isInUse && (now - 60_000...now).contains(checked)) else { return }
        try db.checkSoundness()
        do {
            try db.execute(sql: "UPDATE state SET checked_at = ?", arguments: [now])
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            // Another program holds the file, which is sound all the same. The next worker checks once more.
        }
    }
}

/// The tables of `cache.db` and how a file gets them.
enum CacheSchema {
    /// The application_id is "SFCc".
    static let steps = SchemaSteps(applicationID: 0x5346_4363, [first, clock, habits])

    /// The value is the last column of a table with row ids: what comes before it is read without its overflow pages.
    /// `uses` is apart, dense, so that noting a use does not write a record's page again.
    @Sendable
    private static func first(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE state (
                    id INTEGER PRIMARY KEY CHECK (id = 1),
                    epoch INTEGER NOT NULL,
                    counter INTEGER NOT NULL,
                    checked_at INTEGER NOT NULL DEFAULT 0
                );
                INSERT INTO state (id, epoch, counter) VALUES (1, random(), 0);
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
                """)
        try counts(db)
    }

    /// How the wall clock was set (`RowTimes`).
    @Sendable
    private static func clock(_ db: Database) throws {
        try db.execute(
            sql: """
                ALTER TABLE state ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
                ALTER TABLE state ADD COLUMN clock_offset INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE state ADD COLUMN clock_since INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE state ADD COLUMN boot_version INTEGER NOT NULL DEFAULT 0;
                """)
    }

    /// On which occasions a record was used, some hours apart: when the last one began, and the one before. What came from before counts as used
    /// on two.
    @Sendable
    private static func habits(_ db: Database) throws {
        try db.execute(
            sql: """
                ALTER TABLE uses ADD COLUMN occasion_at INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE uses ADD COLUMN used_before INTEGER NOT NULL DEFAULT 0;
                UPDATE uses SET occasion_at = used_at, used_before = used_at;
                """)
    }

    private static func counts(_ db: Database) throws {
        try db.execute(
            sql: """
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
                INSERT INTO totals (cache) VALUES (0), (1), (2), (3);
                CREATE TABLE namespaces (
                    cache INTEGER NOT NULL,
                    name BLOB NOT NULL,
                    rows INTEGER NOT NULL,
                    bytes INTEGER NOT NULL,
                    written_at INTEGER NOT NULL,
                    PRIMARY KEY (cache, name)
                ) WITHOUT ROWID;
                """)
    }
}
